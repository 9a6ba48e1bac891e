"""How many lines of a log there are in equal parts of a time, and how many of them are errors."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from skypanel.domain.log import Level, LogQuery

# An hour begins within a minute and ends within another.
MAX_BUCKETS = 61
FAILURES = frozenset({Level.ERROR, Level.CRITICAL})

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_STEPS = tuple(
    timedelta(seconds=seconds)
    for seconds in (1, 2, 5, 10, 30, 60, 120, 300, 600, 1800, 3600, 7200, 21600, 43200, 86400, 7 * 86400, 28 * 86400, 364 * 86400)
)


@dataclass(frozen=True)
class Buckets:
    """Parts of a time, each of the length `step`, whose edges are multiples of it since 1970."""

    start: datetime
    step: timedelta
    number: int

    @classmethod
    def over(cls, since: datetime, until: datetime) -> "Buckets":
        """Return the finest buckets for a time, at most MAX_BUCKETS. Those of longer times cover their end."""
        for step in _STEPS:
            first = (since - _EPOCH) // step
            number = max(1, -((_EPOCH - until) // step) - first)
            if number <= MAX_BUCKETS:
                return cls(_EPOCH + first * step, step, number)
        last = -((_EPOCH - until) // _STEPS[-1])
        return cls(_EPOCH + (last - MAX_BUCKETS) * _STEPS[-1], _STEPS[-1], MAX_BUCKETS)

    @property
    def end(self) -> datetime:
        """The time before which the last one ends."""
        return self.start + self.number * self.step

    def edge(self, number: int) -> datetime:
        """Return when a bucket begins."""
        return self.start + number * self.step

    def at(self, time: datetime) -> int | None:
        """Return the number of the bucket of a time; None outside of all."""
        number = (time - self.start) // self.step
        return number if 0 <= number < self.number else None

    def within(self, query: LogQuery) -> LogQuery:
        """Return the query of all lines in these buckets that meet its other conditions."""
        return replace(query, since=self.start, until=self.end, older_than=None, newer_than=None, from_start=False)


@dataclass(frozen=True)
class Histogram:
    """The numbers of lines and of errors in each bucket. Lines before `begin` were not counted, if it is a time: there were too many."""

    buckets: Buckets
    lines: Sequence[int]
    failures: Sequence[int]
    begin: datetime | None = None
