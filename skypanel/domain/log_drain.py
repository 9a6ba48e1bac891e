"""Log drains: servers that get the log lines of an app as they are written, in the formats of Heroku's.

https://devcenter.heroku.com/articles/log-drains
"""

import re
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from urllib.parse import SplitResult, urlsplit

from skypanel.domain import urls
from skypanel.domain.errors import Invalid
from skypanel.domain.ids import AppId, LogDrainId
from skypanel.domain.log import LogLine, Source

MAX_DRAINS = 5
# A drain can be named by its URL in a path of the API, whose parts have no more.
MAX_URL_LENGTH = 500
LONGEST_PAUSE_S = 60.0
# What one request or one write holds at most.
BATCH_LINES = 1000
BATCH_BYTES = 512 * 1024

_URL = re.compile(r"[!-~]+")
_HOST = re.compile(r"(?=.{1,253}$)[A-Za-z0-9](?:[A-Za-z0-9_.-]*[A-Za-z0-9])?\.?|[0-9A-Fa-f:.]+")
_EXAMPLES = "Write it like this: syslog+tls://logs.example.com:6514, or https://example.com/logs"
# Facility times 8 plus severity (RFC 5424, section 6.2.1), as Heroku's drains have them.
_OF_APPS, _OF_LOSSES = 190, 172
_PRIORITIES = {Source.ROUTER: 158, Source.SYSTEM: 45}


class Scheme(StrEnum):
    """How lines travel."""

    SYSLOG = "syslog"
    SYSLOG_TLS = "syslog+tls"
    HTTPS = "https"

    @property
    def port(self) -> int:
        """The port of a URL without one."""
        return _PORTS[self]


# RFC 6587 names no port for TCP; servers use that of UDP. RFC 5425 has that of TLS.
_PORTS = {Scheme.SYSLOG: 514, Scheme.SYSLOG_TLS: 6514, Scheme.HTTPS: 443}


@dataclass(frozen=True)
class LogDrain:
    """A server that gets an app's lines.

    `shown` is its URL without what may be secret. `sent_until` is the time of the last line that it got, `dropped` counts those that it
    missed, and `error` says why the last attempt failed.
    """

    id: LogDrainId
    app_id: AppId
    shown: str
    sent_until: datetime
    dropped: int
    error: str | None
    created_at: datetime
    updated_at: datetime

    @property
    def token(self) -> str:
        """The name by which the server knows the drain, as Heroku writes it."""
        return f"d.{self.id}"


@dataclass(frozen=True, slots=True)
class Message:
    """A log line in the words of syslog. `text` ends without a line break."""

    time: str
    app_name: str
    process: str
    text: str
    priority: int = _OF_APPS

    @property
    def size(self) -> int:
        """About how many bytes of memory it takes."""
        return len(self.text) + 400


@dataclass(frozen=True)
class Shipment:
    """Messages for a drain that is named by its token. It has the same id each time that it is sent again."""

    id: str
    token: str
    messages: Sequence[Message] = field(repr=False)


def check_url(url: str) -> str:
    """Return the URL of a drain. Raises Invalid, whose message does not show it: it may contain a secret."""
    split, port = urls.split(url, Invalid("This is not a URL.", _EXAMPLES))
    if split.scheme not in set(Scheme):
        raise Invalid(f"A drain has a URL of {', '.join(Scheme)}.", _EXAMPLES)
    if not _URL.fullmatch(url) or len(url) > MAX_URL_LENGTH or not _HOST.fullmatch(split.hostname or "") or port == 0 or split.fragment:
        raise Invalid("This is not a URL.", _EXAMPLES)
    if split.scheme != Scheme.HTTPS and ("@" in split.netloc or split.path.strip("/") or split.query):
        raise Invalid("The URL of a syslog drain has only a host and a port.", _EXAMPLES)
    return url


def scheme_of(url: str) -> Scheme:
    """Return how lines travel to a URL."""
    return Scheme(urlsplit(url).scheme)


def shown(url: str) -> str:
    """Return a URL without its user, path and query: services put their keys there."""
    split = urlsplit(url)
    return f"{split.scheme}://{split.netloc.rpartition('@')[2]}{'/...' if _has_more(split) else ''}"


def _has_more(split: SplitResult) -> bool:
    return bool("@" in split.netloc or split.path.strip("/") or split.query)


def message(line: LogLine) -> Message:
    """Return a line of an app's log as a message."""
    return Message(line.stamp, line.origin, line.process, line.text, _PRIORITIES.get(line.source, _OF_APPS))


def overflow(dropped: int, since: datetime, now: datetime) -> Message:
    """Return what tells a drain how many lines it missed, as Heroku's L10."""
    text = f"Error L10 (output buffer overflow): {dropped} messages dropped since {_time(since)}."
    return Message(_time(now), "skypanel", "logplex", text, _OF_LOSSES)


def syslog_frames(shipment: Shipment) -> bytes:
    """Return messages as RFC 5424 has them, each after its length in bytes (RFC 6587, section 3.4.1)."""
    return b"".join(_counted(f"{_head(each, shipment.token)} - - {each.text}\n") for each in shipment.messages)


def logplex_frames(shipment: Shipment) -> bytes:
    """Return messages as Logplex posts them: as `syslog_frames`, without the field for structured data."""
    return b"".join(_counted(f"{_head(each, shipment.token)} - {each.text}\n") for each in shipment.messages)


def _head(of: Message, hostname: str) -> str:
    return f"<{of.priority}>1 {of.time} {hostname} {of.app_name} {of.process}"


def _counted(text: str) -> bytes:
    body = text.encode(errors="replace")
    return b"%d %b" % (len(body), body)


def pause_s(failures: int) -> float:
    """Return how long to wait after so many failures in a row."""
    return min(2.0 ** min(failures - 1, 10), LONGEST_PAUSE_S)


@dataclass(frozen=True)
class Taken:
    """Messages to send next, `lines` of them lines of the app. Another may tell about `missed` ones."""

    messages: Sequence[Message]
    lines: int
    missed: int = 0


class Backlog:
    """Messages that wait for a drain, within limits. If there are too many, the oldest are dropped and counted."""

    def __init__(self, max_bytes: int) -> None:
        self.max_bytes = max_bytes
        self._waiting: deque[Message] = deque()
        self._size = 0
        self._missed = 0
        self._since: datetime | None = None

    def __len__(self) -> int:
        return len(self._waiting)

    def has_room(self, each: Message) -> bool:
        """Whether a message can be added without dropping others."""
        return self._size + each.size <= self.max_bytes

    def put(self, each: Message, now: datetime) -> int:
        """Add a message, and return how many were dropped for it."""
        self._waiting.append(each)
        self._size += each.size
        dropped = 0
        while self._size > self.max_bytes:
            self._size -= self._waiting.popleft().size
            dropped += 1
        self.miss(dropped, now)
        return dropped

    def miss(self, number: int, now: datetime) -> None:
        """Count messages that the drain does not get."""
        self._missed += number
        self._since = self._since or (now if number else None)

    def take(self, now: datetime) -> Taken:
        """Remove and return the next messages. The first tells about missed ones, if there are any."""
        lines: list[Message] = []
        size = 0
        while self._waiting and len(lines) < BATCH_LINES and size < BATCH_BYTES:
            lines.append(self._waiting.popleft())
            size += lines[-1].size
        self._size -= size
        if not lines or self._since is None:
            return Taken(lines, len(lines))
        taken = Taken([overflow(self._missed, self._since, now), *lines], len(lines), self._missed)
        self._missed, self._since = 0, None
        return taken


def _time(moment: datetime) -> str:
    return moment.isoformat(timespec="microseconds")
