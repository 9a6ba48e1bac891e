"""Periods of whole days, in UTC, whose usage is shown together."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from skypanel.domain.billing import month_of, read_month
from skypanel.domain.errors import Invalid
from skypanel.domain.names import printable

DAY = timedelta(days=1)
MAX_DAYS = 366


@dataclass(frozen=True)
class Period:
    """A time from the start of a day, `since`, to the start of the day after the last, `until`."""

    since: datetime
    until: datetime

    @property
    def first(self) -> date:
        """The first day."""
        return self.since.date()

    @property
    def last(self) -> date:
        """The last day."""
        return (self.until - DAY).date()

    @property
    def is_month(self) -> bool:
        """Whether it is one calendar month."""
        return (self.since, self.until) == month_of(self.since)

    def days(self) -> list[date]:
        """Return all days, in order."""
        return [(self.since + number * DAY).date() for number in range((self.until - self.since) // DAY)]

    def months(self) -> tuple[date, date]:
        """Return the first day of its whole months and the day after their last; both are the end if it has none."""
        month, next_month = month_of(self.since)
        first, after = month if month == self.since else next_month, month_of(self.until)[0]
        return (first.date(), after.date()) if first < after else (self.until.date(), self.until.date())

    def earlier(self) -> "Period":
        """Return the period before: a month for a month, or else as many days."""
        return Period(*month_of(self.since - DAY)) if self.is_month else Period(self.since - (self.until - self.since), self.since)

    def later(self) -> "Period":
        """Return the period after."""
        return Period(*month_of(self.until)) if self.is_month else Period(self.until, self.until + (self.until - self.since))


def read_period(month: str, first: str, last: str, now: datetime) -> Period:
    """Return the month, or the days from `first` to `last`; all texts empty stand for this month. Raises Invalid."""
    if first or last:
        since, until = read_day(first), read_day(last) + DAY
        if not DAY <= until - since <= MAX_DAYS * DAY:
            raise Invalid("These days are in the wrong order, or too many.", f"Choose up to {MAX_DAYS} days, the first one first.")
        return Period(since, until)
    return Period(*(read_month(month) if month else month_of(now)))


def read_day(text: str) -> datetime:
    """Return the start, in UTC, of a day such as 2026-11-30. Raises Invalid."""
    try:
        found = datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=UTC)
    except ValueError:
        found = None
    # Long before and after, there are no days to add or subtract.
    if found is None or not 2000 <= found.year < 3000:  # noqa: PLR2004
        raise Invalid(f"{printable(text)} is not a day.", "Write a day like this: 2026-11-30")
    return found
