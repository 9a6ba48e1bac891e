"""Metrics of apps: what is measured, how finely it is kept, and the ranges of time in which it is shown."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum

from skypanel.domain.errors import Invalid
from skypanel.domain.names import printable


class Measure(StrEnum):
    """What is measured of each dyno. The values are the names of columns."""

    CPU = "cpu"  # cores: 1.5 is one and a half
    MEMORY = "memory"  # bytes
    DISK = "disk"  # bytes
    RECEIVED = "received"  # bytes a second
    SENT = "sent"  # bytes a second
    RESTARTS = "restarts"  # since the dyno was started first


# Of several values, the highest is shown. Of the other measures it is the mean.
PEAKS = frozenset({Measure.MEMORY, Measure.DISK, Measure.RESTARTS})


@dataclass(frozen=True)
class Resolution:
    """How many seconds apart values are, how many of them a row has, and how long rows are kept."""

    step_s: int
    values: int
    kept: timedelta

    @property
    def span(self) -> timedelta:
        """The time of a row's values."""
        return timedelta(seconds=self.step_s * self.values)

    def begin(self, moment: datetime) -> datetime:
        """Return when the row of a moment begins. Rows begin at multiples of their span since 1970."""
        span_s = self.step_s * self.values
        return datetime.fromtimestamp(int(moment.timestamp()) // span_s * span_s, UTC)

    def slot(self, moment: datetime) -> int:
        """Return the number of a moment's value in its row, from 0."""
        return int((moment - self.begin(moment)).total_seconds()) // self.step_s


FINE = Resolution(10, 90, timedelta(hours=6))
MINUTES = Resolution(60, 15, timedelta(days=7))
QUARTERS = Resolution(900, 96, timedelta(days=90))
RESOLUTIONS = (FINE, MINUTES, QUARTERS)


class Range(StrEnum):
    """A range of time that ends now."""

    HOUR = "1h"
    SIX_HOURS = "6h"
    DAY = "24h"
    WEEK = "7d"
    NINETY_DAYS = "90d"

    @property
    def view(self) -> "View":
        """What is shown in it."""
        return _VIEWS[self]


@dataclass(frozen=True)
class View:
    """How long a range is, from which rows it is read, and how many seconds apart its points are."""

    length: timedelta
    resolution: Resolution
    step_s: int

    def times(self, now: datetime) -> Sequence[int]:
        """Return the times of its points, in seconds since 1970: multiples of the step."""
        last = int(now.timestamp()) // self.step_s
        return [number * self.step_s for number in range(last - int(self.length.total_seconds()) // self.step_s + 1, last + 1)]


_VIEWS = {
    # Values are some 10 s apart, so each of 20 s has one.
    Range.HOUR: View(timedelta(hours=1), FINE, 20),
    Range.SIX_HOURS: View(timedelta(hours=6), FINE, 120),
    Range.DAY: View(timedelta(days=1), MINUTES, 300),
    Range.WEEK: View(timedelta(days=7), QUARTERS, 1800),
    Range.NINETY_DAYS: View(timedelta(days=90), QUARTERS, 21600),
}


# What lists of apps show of each: the last day, from rows that have a day each.
GLANCE = View(timedelta(days=1), QUARTERS, 1800)


def read_range(text: str) -> Range:
    """Return a range by its name. Raises Invalid."""
    if text not in set(Range):
        raise Invalid(f"{printable(text)} is not a range of metrics.", f"Use one of {', '.join(Range)}.")
    return Range(text)


class MarkKind(StrEnum):
    """What happened to an app."""

    DEPLOY = "deploy"
    SCALE = "scale"
    INCIDENT = "incident"


@dataclass(frozen=True, order=True)
class Mark:
    """Something that happened at a time."""

    at: datetime
    kind: MarkKind
    text: str


@dataclass(frozen=True)
class Series:
    """The values of one dyno at the times of a history; None where nothing was measured."""

    dyno: str
    values: Mapping[Measure, Sequence[float | None]]

    def last(self, measure: Measure) -> float | None:
        """Return the newest value."""
        return next((value for value in reversed(self.values[measure]) if value is not None), None)

    def peak(self, measure: Measure) -> float | None:
        """Return the highest value."""
        return max([value for value in self.values[measure] if value is not None], default=None)

    def mean(self, measure: Measure) -> float | None:
        """Return the mean of the values."""
        found = [value for value in self.values[measure] if value is not None]
        return sum(found) / len(found) if found else None

    def restarted(self) -> Sequence[int]:
        """Return for each time how often the dyno restarted since the one before. A new dyno of its name counts from 0."""
        counts, before = [], None
        for value in self.values[Measure.RESTARTS]:
            counts.append(0 if value is None or before is None else round(value - before if value >= before else value))
            before = before if value is None else value
        return counts


@dataclass(frozen=True)
class History:
    """What an app's dynos used: points `step_s` apart, at `times` in seconds since 1970."""

    range: Range
    times: Sequence[int]
    series: Sequence[Series]

    @property
    def step_s(self) -> int:
        """The seconds between two points."""
        return self.range.view.step_s

    def incidents(self) -> Sequence[Mark]:
        """Return the restarts of dynos that crashed, as far as they can be told from new dynos."""
        return [
            Mark(datetime.fromtimestamp(at, UTC), MarkKind.INCIDENT, f"{each.dyno} crashed" + (f" {count} times" if count > 1 else ""))
            for each in self.series
            for at, count in zip(self.times, each.restarted(), strict=True)
            if count
        ]
