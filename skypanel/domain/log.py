"""Log lines of apps, as they are stored, queried, and sent by collectors.

A stored line reads `<RFC 3339 time in UTC> app[<dyno>]: <text>`. The time always has microseconds, so lines sort by time as text. Lines of
the router and about dynos have `skypanel` in place of `app`. A line that is not about one dyno has its source in place of the dyno.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from functools import cached_property
from itertools import accumulate, islice, takewhile
from uuid import UUID

from skypanel.domain import terminal
from skypanel.domain.errors import Invalid
from skypanel.domain.ids import AppId
from skypanel.domain.manifest import RELEASE_PHASE

# The prefix of lines that our scripts around an app print.
MARK = "[skypanel] "
MAX_LINES = 10_000
MAX_TEXT = 64 * 1024
# The maximum size of a log file, and for how long it is written to: old lines are deleted by the file.
MAX_BYTES = 10 * 1024**2
FILE_SPAN = timedelta(days=1)
# How many full files a log's older files are together, and how many files they are at most.
OLDER_FULL_FILES = 2
MAX_OLDER_FILES = 120
# How far a clock may be ahead of ours. A line from further in the future would stay the newest for a long time.
MAX_AHEAD = timedelta(hours=1)
# After all stored times.
_NEVER = "~"


class Source(StrEnum):
    """Who wrote a line: the app, or a part of the platform."""

    APP = "app"
    ROUTER = "router"
    BUILD = "build"
    RELEASE = "release"
    API = "api"
    SYSTEM = "system"


class Level(StrEnum):
    """How severe a line says it is."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"
    CRITICAL = "critical"


_DYNO = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,59}\.[1-9][0-9]{0,5}")
_TIME = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?Z")


# How programs in common languages begin the report of a fatal error.
_BEGINNING = re.compile(r"\S+ app\[[^\]]+\]: (Traceback \(most recent call last\):|Exception in thread |panic: |Unhandled exception)")
EXCERPT_LINES = 40
_WRITTEN = re.compile(r"\d{4}-\d\d-\d\dT(\d\d:\d\d:\d\d)\S* (?:app|skypanel)\[[^\]]+\]: (.*)", re.DOTALL)

_STAMP = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}\+00:00", re.ASCII)
_STORED = re.compile(rf"({_STAMP.pattern})" + r" (app|skypanel)\[([^\]]{1,80})\]: (.*)", re.DOTALL)
# Lines of these sources are the platform's, as `heroku[...]` on Heroku.
_OF_PLATFORM = frozenset({Source.ROUTER, Source.SYSTEM})
# What stands in place of a dyno where a line has none.
_NAMES = {
    ("skypanel", "router"): Source.ROUTER,
    ("skypanel", "system"): Source.SYSTEM,
    ("app", "api"): Source.API,
    ("app", "build"): Source.BUILD,
    ("app", "release"): Source.RELEASE,
}

_WORDS: Mapping[str, Level] = {
    **dict.fromkeys(("trace", "debug", "10", "20"), Level.DEBUG),
    **dict.fromkeys(("info", "information", "notice", "30"), Level.INFO),
    **dict.fromkeys(("warn", "warning", "40"), Level.WARNING),
    **dict.fromkeys(("err", "error", "severe", "50"), Level.ERROR),
    **dict.fromkeys(("alert", "crit", "critical", "emerg", "emergency", "fatal", "panic", "60"), Level.CRITICAL),
}
# A key of a JSON object (numbers are those of pino and bunyan), a key of logfmt, a word in brackets. A quote inside of a JSON string has a
# backslash, so what a string contains is no key.
_LEVEL = re.compile(
    r'"(?:level|lvl|levelname|severity)"\s*:\s*"?(?P<json>[A-Za-z]{3,11}|[1-6]0)\b'
    r'|(?<!\S)(?:level|lvl|severity)="?(?P<logfmt>[A-Za-z]{3,11})\b'
    r"|\[\s*(?P<bracketed>[A-Za-z]{3,11})\s*\]"
)
# What a text has in which that finds anything. Most have none, and this takes a tenth of the time.
_LEVEL_MARKS = ("[", "level", "lvl", "severity")
# A store must find all lines that were seen, so a cursor has no more.
_SEEN = re.compile(r"[0-9]{1,6}")
_AT = re.compile(r"at=(error|warning|info) ")


@dataclass(frozen=True)
class LogLine:
    """One line of an app's log as it is stored: cleaned, and limited in length. `dyno` is empty if it is not about one dyno."""

    dyno: str
    time: datetime
    text: str
    source: Source = Source.APP

    def __str__(self) -> str:
        return f"{self.stamp} {self.origin}[{self.process}]: {self.text}"

    @property
    def stamp(self) -> str:
        """Its time as it is stored."""
        return stamp(self.time)

    @property
    def origin(self) -> str:
        """Whose line it is: `app`, or `skypanel` where Heroku has `heroku`."""
        return "skypanel" if self.source in _OF_PLATFORM else "app"

    @property
    def process(self) -> str:
        """Its dyno, or else its source."""
        return self.dyno or self.source.value

    @cached_property
    def level(self) -> Level | None:
        """The level that the text states: in JSON, in logfmt, or as a word in brackets."""
        if self.source is Source.ROUTER:
            return _WORDS[at[1]] if (at := _AT.match(self.text)) else None
        if not any(mark in self.text for mark in _LEVEL_MARKS):
            return None
        levels = (_WORDS.get(found[found.lastgroup or 0].lower()) for found in _LEVEL.finditer(self.text))
        return next((level for level in levels if level), None)


def stamp(time: datetime) -> str:
    """Return a time as stored lines have it."""
    return time.astimezone(UTC).isoformat(timespec="microseconds")


def read_time(text: str) -> datetime:
    """Parse a time in ISO 8601, which is in UTC if it names no zone. Raises ValueError and OverflowError."""
    time = datetime.fromisoformat(text)
    return time.astimezone(UTC) if time.tzinfo else time.replace(tzinfo=UTC)


STAMP_LENGTH = len(stamp(datetime.min.replace(tzinfo=UTC)))


def time_at(beginning: bytes) -> datetime | None:
    """Return the time of a stored line by its first STAMP_LENGTH bytes; None if it has none."""
    found = _STAMP.fullmatch(beginning.decode(errors="replace"))
    try:
        return datetime.fromisoformat(found[0]) if found else None
    except ValueError:
        return None


def ends_file(begun: datetime | None, time: datetime, now: datetime) -> bool:
    """Whether a line of `time` is for another file than the one whose first line is of `begun`; None is a damaged one."""
    return begun is None or time - begun >= FILE_SPAN or begun - now > MAX_AHEAD


def kept_files(sizes: Sequence[int], max_bytes: int = MAX_BYTES) -> int:
    """Return how many of a log's older files stay. `sizes` are theirs in bytes, those of the newest first, which stays always."""
    totals = islice(accumulate(sizes), MAX_OLDER_FILES)
    return max(min(1, len(sizes)), sum(1 for _ in takewhile(lambda total: total <= OLDER_FULL_FILES * max_bytes, totals)))


def parse_stored(stored: str) -> LogLine | None:
    """Parse a stored line; None if it is none, such as a line of a damaged file."""
    found = _STORED.fullmatch(stored)
    if found is None:
        return None
    try:
        time = datetime.fromisoformat(found[1])
    except ValueError:
        return None
    source = _NAMES.get((found[2], found[3]))
    return LogLine("" if source else found[3], time, found[4], source or _source_of(found[2], found[3]))


def _source_of(origin: str, dyno: str) -> Source:
    if origin == "skypanel":
        return Source.SYSTEM
    return Source.RELEASE if process_type(dyno) == RELEASE_PHASE else Source.APP


def process_type(dyno: str) -> str:
    """Return the process type in a dyno's name."""
    return dyno.rpartition(".")[0]


@dataclass(frozen=True)
class Cursor:
    """The edge of a page of lines: at `time`, of whose lines `seen` were on this page or on pages before."""

    time: datetime
    seen: int

    @classmethod
    def parse(cls, text: str) -> "Cursor | None":
        """Return the cursor of a text `<time>/<seen>`, whose time is UTC if it does not say otherwise; None for any other text."""
        stamp, _, seen = text.partition("/")
        if not _SEEN.fullmatch(seen):
            return None
        try:
            return cls(read_time(stamp), int(seen))
        except (ValueError, OverflowError):
            return None


@dataclass(frozen=True)
class LogQuery:
    """Which lines of an app to read; without conditions, all.

    `since` is inclusive, `until` exclusive. Each of `words` must be in the text, in any case. `pattern` is a regular expression in RE2's
    syntax, found anywhere in the text. `dyno` is web.1, or web for all dynos of that type, or the source of lines without a dyno.
    Of more than `limit` lines, the last are read, or with `from_start` the first. `older_than` and `newer_than` begin the next pages.
    """

    since: datetime | None = None
    until: datetime | None = None
    words: tuple[str, ...] = ()
    pattern: str = ""
    levels: frozenset[Level] = frozenset()
    sources: frozenset[Source] = frozenset()
    dyno: str | None = None
    limit: int = 100
    from_start: bool = False
    older_than: Cursor | None = None
    newer_than: Cursor | None = None

    def admits(self, line: LogLine) -> bool:
        """Whether a line meets all conditions but words and pattern. Lines at the time of a cursor do; `page` drops those seen."""
        return (
            self.spans(line.stamp, line.stamp)
            and (not self.sources or line.source in self.sources)
            and (self.dyno is None or self.dyno in {line.process, process_type(line.process)})
            and (not self.levels or line.level in self.levels)
        )

    def spans(self, first: str, last: str) -> bool:
        """Whether lines of the wanted time can be between two stored times."""
        begin, open_end, end = self._bounds
        return last >= begin and first < open_end and first <= end

    @property
    def begin(self) -> datetime | None:
        """The time from which on lines are wanted; None for any time."""
        return max((time for time in (self.since, self.newer_than and self.newer_than.time) if time), default=None)

    @property
    def has_bounds(self) -> bool:
        """Whether lines of some time only are wanted."""
        return bool(self.since or self.until or self.older_than or self.newer_than)

    @cached_property
    def _bounds(self) -> tuple[str, str, str]:
        """The least time, the time before which lines are, and the greatest time, as stored."""
        return (
            stamp(self.begin) if self.begin else "",
            stamp(self.until) if self.until else _NEVER,
            stamp(self.older_than.time) if self.older_than else _NEVER,
        )

    @property
    def longest_page(self) -> int:
        """How many lines a store must find, those seen included, for `page` to be complete."""
        return self.limit + sum(cursor.seen for cursor in (self.older_than, self.newer_than) if cursor)

    def page(self, lines: Sequence[LogLine]) -> list[LogLine]:
        """Return the page out of lines that meet the conditions, oldest first."""
        found = list(lines)
        if self.older_than:
            found = found[: len(found) - min(self.older_than.seen, _at(reversed(found), self.older_than.time))]
        if self.newer_than:
            found = found[min(self.newer_than.seen, _at(found, self.newer_than.time)) :]
        return found[: self.limit] if self.from_start else found[max(0, len(found) - self.limit) :]

    def unseen(self, lines: Iterable[LogLine]) -> Iterator[LogLine]:
        """Yield lines, oldest first, but for those at the edge of the page before."""
        left = self.newer_than.seen if self.newer_than else 0
        for line in lines:
            if left and self.newer_than and line.time == self.newer_than.time:
                left -= 1
            else:
                yield line

    def older(self, page: Sequence[LogLine]) -> "LogQuery":
        """Return the query of the page before this one. `page` is not empty."""
        first = page[0].time
        seen = _at(page, first) + (self.older_than.seen if self.older_than and self.older_than.time == first else 0)
        return replace(self, older_than=Cursor(first, seen), newer_than=None, from_start=False)

    def newer(self, page: Sequence[LogLine]) -> "LogQuery":
        """Return the query of the page after this one. `page` is not empty."""
        last = page[-1].time
        seen = _at(reversed(page), last) + (self.newer_than.seen if self.newer_than and self.newer_than.time == last else 0)
        return replace(self, newer_than=Cursor(last, seen), older_than=None, from_start=True)


NEWEST = LogQuery()


def _at(lines: Iterable[LogLine], time: datetime) -> int:
    """Return how many of the first lines are of a time."""
    return sum(1 for _ in takewhile(lambda line: line.time == time, lines))


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
    source = Source.SYSTEM if is_platform else _source_of("app", dyno)
    return [LogLine(dyno, time, piece, source) for piece in terminal.lines(text.removeprefix(MARK))]


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
