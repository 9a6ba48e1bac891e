"""What people write to choose lines of a log, in the same words on the page, in the API and in commands."""

import re
from dataclasses import dataclass
from datetime import datetime, timedelta

from skypanel.domain.errors import Invalid
from skypanel.domain.log import Level, LogQuery, Source, read_time
from skypanel.domain.names import printable

MAX_SEARCH = 200

_LEVELS = tuple(Level)
_UNITS = {"w": "weeks", "d": "days", "h": "hours", "m": "minutes", "s": "seconds"}
_DURATION = re.compile(r"(?:[0-9]{1,6}[wdhms]){1,5}")
_PART = re.compile(r"([0-9]+)([wdhms])")
_DYNO = re.compile(r"[A-Za-z0-9_-]{1,60}(?:\.[0-9]{1,6})?")


@dataclass(frozen=True)
class LogFilter:
    """The conditions as texts. An empty text is no condition.

    `since` and `until` are times (ISO 8601, UTC without a zone), or how long ago that was, such as 1h30m. `search` has words, `regex` is
    in RE2's syntax. `level` also stands for the worse ones. `source` may name several, with commas. `dyno` is as in LogQuery.
    """

    since: str = ""
    until: str = ""
    search: str = ""
    regex: str = ""
    level: str = ""
    source: str = ""
    dyno: str = ""

    def query(self, now: datetime) -> LogQuery:
        """Return the query of all conditions. Raises Invalid; a bad regular expression is found where lines are read."""
        since, until = moment(self.since, now), moment(self.until, now)
        if since and until and until <= since:
            raise Invalid("The time range ends before it begins.", "Give an end that is after the beginning.")
        return LogQuery(
            since=since,
            until=until,
            words=_words(self.search),
            pattern=self.regex,
            levels=_at_least(self.level),
            sources=_sources(self.source),
            dyno=_dyno(self.dyno),
        )


def moment(text: str, now: datetime) -> datetime | None:
    """Parse a time, or how long ago it was; None for an empty text. Raises Invalid."""
    if not text:
        return None
    try:
        if _DURATION.fullmatch(text):
            return now - sum((timedelta(**{_UNITS[unit]: int(number)}) for number, unit in _PART.findall(text)), timedelta())
        return read_time(text)
    except (ValueError, OverflowError):
        hint = "Write it like this, in UTC: 2026-01-31T14:30. Or say how long ago it was: 90s, 15m, 1h30m, 7d."
        raise Invalid(f"This is not a time: {printable(text)}", hint) from None


def _words(search: str) -> tuple[str, ...]:
    if len(search) > MAX_SEARCH:
        raise Invalid("The search is too long.", f"Write at most {MAX_SEARCH} characters.")
    return tuple(search.split())


def _at_least(level: str) -> frozenset[Level]:
    """Return a level and the worse ones; nothing for all."""
    if not level:
        return frozenset()
    if level not in set(_LEVELS):
        raise Invalid(f"There is no level {printable(level)}.", f"Levels are {', '.join(_LEVELS)}.")
    return frozenset(_LEVELS[_LEVELS.index(Level(level)) :])


def _sources(text: str) -> frozenset[Source]:
    names = [name.strip() for name in text.split(",")] if text else []
    for name in names:
        if name not in set(Source):
            raise Invalid(f"There is no source {printable(name)}.", f"Sources are {', '.join(Source)}.")
    return frozenset(map(Source, names))


def _dyno(text: str) -> str | None:
    if text and not _DYNO.fullmatch(text):
        raise Invalid(f"This is not a dyno: {printable(text)}", "Write it like this: web.1, or web for all dynos of that type.")
    return text or None
