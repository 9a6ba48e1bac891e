"""Lines of apps' logs, as dynos print them and as those who collect them say.

A line reads `<RFC 3339 time in UTC> app[<dyno>]: <text>`, the time always with microseconds, so that lines sort by it
as text; what the platform says itself has skypanel for app.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID

from skypanel.domain import terminal
from skypanel.domain.errors import Invalid
from skypanel.domain.ids import AppId

# How the scripts around an app begin their own lines.
MARK = "[skypanel] "
MAX_LINES = 10_000
MAX_TEXT = 64 * 1024
# Of a log file, and how many are kept of it beside the newest.
MAX_BYTES = 10 * 1024**2
KEPT_FILES = 3
# What a clock may be ahead of ours; a line that says it is from later would be the newest for ever.
MAX_AHEAD = timedelta(hours=1)

_DYNO = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,59}\.[1-9][0-9]{0,5}")
_TIME = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?Z")


# How what a program says of its own end begins, in the languages of most.
_BEGINNING = re.compile(r"\S+ app\[[^\]]+\]: (Traceback \(most recent call last\):|Exception in thread |panic: |Unhandled exception)")
EXCERPT_LINES = 40
_WRITTEN = re.compile(r"\d{4}-\d\d-\d\dT(\d\d:\d\d:\d\d)\S* (?:app|skypanel)\[[^\]]+\]: (.*)", re.DOTALL)


@dataclass(frozen=True)
class LogLine:
    """What a dyno printed, as it is kept: clean, and of a bounded length."""

    dyno: str
    time: datetime
    text: str
    is_platform: bool = False

    def __str__(self) -> str:
        source = "skypanel" if self.is_platform else "app"
        return f"{self.time.isoformat(timespec='microseconds')} {source}[{self.dyno}]: {self.text}"


@dataclass(frozen=True)
class Batch:
    """Lines by app, each app's in their order; `again` says that some of them may be there already."""

    lines: Mapping[AppId, Sequence[LogLine]]
    again: bool


def excerpt(lines: Sequence[str], most: int = EXCERPT_LINES) -> list[str]:
    """Return why a dyno ended, by its last lines: from where it says so on, without the middle of many, or just the last ones."""
    begin = next((number for number, line in enumerate(lines) if _BEGINNING.match(line)), None)
    if begin is None:
        return list(lines[-most:])
    told = list(lines[begin:])
    if len(told) <= most:
        return told
    head = most // 2
    tail = most - head - 1
    return [*told[:head], f"... {len(told) - head - tail} lines ...", *told[-tail:]]


def brief(line: str) -> str:
    """Return a line as it reads where its dyno and its day are known: `<HH:MM:SS> <text>`."""
    written = _WRITTEN.fullmatch(line)
    return f"{written[1]} {written[2]}" if written else line


def moment(text: str) -> datetime:
    """Read one of Docker's times: RFC 3339 in UTC, to the nanosecond at most. Raises ValueError."""
    found = _TIME.fullmatch(text)
    if found is None:
        raise ValueError(text)
    return datetime.fromisoformat(f"{found[1]}.{found[2] or '':0<6.6}").replace(tzinfo=UTC)


def printed(dyno: str, time: datetime, text: str) -> list[LogLine]:
    """Return what is kept of a line: several lines where it is long."""
    is_platform = text.startswith(MARK)
    return [LogLine(dyno, time, piece, is_platform) for piece in terminal.lines(text.removeprefix(MARK))]


def parse(said: object, now: datetime) -> Batch:
    """Read a batch; nothing in it is believed unseen. Raises Invalid."""
    try:
        return _parsed(said, now)
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise Invalid("These are no lines of logs.", "Update the agent: provision the node again.") from error


def _parsed(said: object, now: datetime) -> Batch:
    if not isinstance(said, Mapping) or not isinstance(said["lines"], list) or len(said["lines"]) > MAX_LINES:
        raise TypeError(said)
    lines: dict[AppId, list[LogLine]] = {}
    for each in said["lines"]:
        app_id, dyno, time, text = (_text(each[name]) for name in ("app_id", "dyno", "time", "text"))
        if not _DYNO.fullmatch(dyno):
            raise ValueError(dyno)
        at = moment(time)
        lines.setdefault(AppId(UUID(app_id)), []).extend(printed(dyno, at if at < now + MAX_AHEAD else now, text))
    return Batch(lines, bool(said["again"]))


def _text(said: object) -> str:
    if not isinstance(said, str) or len(said) > MAX_TEXT:
        raise TypeError(said)
    return said
