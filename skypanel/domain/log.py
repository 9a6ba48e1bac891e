"""Log lines of apps, as dynos print them and as collectors send them.

A line reads `<RFC 3339 time in UTC> app[<dyno>]: <text>`. The time always has microseconds, so lines sort by time as text. Lines from the
platform have `skypanel` in place of `app`.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from uuid import UUID

from skypanel.domain import terminal
from skypanel.domain.errors import Invalid
from skypanel.domain.ids import AppId

# The prefix of lines that our scripts around an app print.
MARK = "[skypanel] "
MAX_LINES = 10_000
MAX_TEXT = 64 * 1024
# The maximum size of a log file, and how many older files are kept.
MAX_BYTES = 10 * 1024**2
KEPT_FILES = 3
# How far a clock may be ahead of ours. A line from further in the future would stay the newest for a long time.
MAX_AHEAD = timedelta(hours=1)


class Source(StrEnum):
    """A part of the platform that writes lines of its own about an app."""

    API = "api"
    ROUTER = "router"

    @property
    def prefix(self) -> str:
        """How its lines begin after the time, as on Heroku, where lines of the router are the platform's."""
        return f"{'app' if self is Source.API else 'skypanel'}[{self}]"


_DYNO = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,59}\.[1-9][0-9]{0,5}")
_TIME = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?Z")


# How programs in common languages begin the report of a fatal error.
_BEGINNING = re.compile(r"\S+ app\[[^\]]+\]: (Traceback \(most recent call last\):|Exception in thread |panic: |Unhandled exception)")
EXCERPT_LINES = 40
_WRITTEN = re.compile(r"\d{4}-\d\d-\d\dT(\d\d:\d\d:\d\d)\S* (?:app|skypanel)\[[^\]]+\]: (.*)", re.DOTALL)


@dataclass(frozen=True)
class LogLine:
    """One line from a dyno as it is stored: cleaned, and limited in length."""

    dyno: str
    time: datetime
    text: str
    is_platform: bool = False

    def __str__(self) -> str:
        source = "skypanel" if self.is_platform else "app"
        return f"{self.time.isoformat(timespec='microseconds')} {source}[{self.dyno}]: {self.text}"


@dataclass(frozen=True)
class Batch:
    """Log lines by app, in order for each app; `again` means that some may be duplicates of stored lines."""

    lines: Mapping[AppId, Sequence[LogLine]]
    again: bool


def excerpt(lines: Sequence[str], most: int = EXCERPT_LINES) -> list[str]:
    """Return the lines that explain why a dyno ended, at most `most`.

    They start at a known error report, with the middle cut out if it is long; without one they are the last lines.
    """
    begin = next((number for number, line in enumerate(lines) if _BEGINNING.match(line)), None)
    if begin is None:
        return list(lines[-most:])
    report = list(lines[begin:])
    if len(report) <= most:
        return report
    head = most // 2
    tail = most - head - 1
    return [*report[:head], f"... {len(report) - head - tail} lines ...", *report[-tail:]]


def brief(line: str) -> str:
    """Return a line for places where the dyno and the day are known: `<HH:MM:SS> <text>`."""
    written = _WRITTEN.fullmatch(line)
    return f"{written[1]} {written[2]}" if written else line


def moment(text: str) -> datetime:
    """Parse a time in Docker's format: RFC 3339 in UTC, with up to nanoseconds. Raises ValueError."""
    found = _TIME.fullmatch(text)
    if found is None:
        raise ValueError(text)
    return datetime.fromisoformat(f"{found[1]}.{found[2] or '':0<6.6}").replace(tzinfo=UTC)


def printed(dyno: str, time: datetime, text: str) -> list[LogLine]:
    """Return the log lines to store for one printed line: several if it is long."""
    is_platform = text.startswith(MARK)
    return [LogLine(dyno, time, piece, is_platform) for piece in terminal.lines(text.removeprefix(MARK))]


def parse(value: object, now: datetime) -> Batch:
    """Parse and validate a batch from an untrusted sender. Raises Invalid."""
    try:
        return _parsed(value, now)
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise Invalid("These are not log lines.", "Update the agent: provision the node again.") from error


def _parsed(value: object, now: datetime) -> Batch:
    if not isinstance(value, Mapping) or not isinstance(value["lines"], list) or len(value["lines"]) > MAX_LINES:
        raise TypeError(value)
    lines: dict[AppId, list[LogLine]] = {}
    for each in value["lines"]:
        app_id, dyno, time, text = (_text(each[name]) for name in ("app_id", "dyno", "time", "text"))
        if not _DYNO.fullmatch(dyno):
            raise ValueError(dyno)
        at = moment(time)
        lines.setdefault(AppId(UUID(app_id)), []).extend(printed(dyno, at if at < now + MAX_AHEAD else now, text))
    return Batch(lines, bool(value["again"]))


def _text(value: object) -> str:
    if not isinstance(value, str) or len(value) > MAX_TEXT:
        raise TypeError(value)
    return value
