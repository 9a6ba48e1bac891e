"""For how many days the lines of apps are kept."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from skypanel.domain.errors import Invalid
from skypanel.domain.names import printable

DEFAULT_DAYS = 7
MAX_DAYS = 90
MAX_PLANS = 50

_DAYS = re.compile(r"[1-9][0-9]?")
_OF_PLAN = re.compile(r"([A-Za-z0-9][A-Za-z0-9_-]{0,39})=(.*)", re.DOTALL)


@dataclass(frozen=True)
class LogRetention:
    """The days of all apps, and those of apps on some plans, by the plan's name."""

    days: int
    of_plans: Mapping[str, int]

    @classmethod
    def of(cls, days: object, of_plans: object) -> "LogRetention":
        """Return the retention that the values of the two settings choose."""
        return cls(int(str(days)), dict(_read_plans(str(of_plans))))

    def days_of(self, plan: str) -> int:
        """Return for how many days the lines of apps on a plan are kept."""
        return self.of_plans.get(plan, self.days)

    def begin(self, plan: str, now: datetime) -> datetime:
        """Return the time before which lines of apps on a plan are deleted."""
        return now - timedelta(days=self.days_of(plan))


def read_days(text: str) -> int:
    """Parse a number of days. Raises Invalid."""
    if not _DAYS.fullmatch(text) or int(text) > MAX_DAYS:
        raise Invalid(f"{printable(text)} is not a number of days.", f"Write a number from 1 to {MAX_DAYS}.")
    return int(text)


def read_plans(text: str) -> str:
    """Parse the days of plans, as in Pro=30,Business=90. Raises Invalid."""
    return ",".join(f"{plan}={days}" for plan, days in _read_plans(text))


def _read_plans(text: str) -> list[tuple[str, int]]:
    found = [_read_plan(part.strip()) for part in text.split(",") if part.strip()]
    if len(found) > MAX_PLANS or len(dict(found)) < len(found):
        raise Invalid("These are not days of plans.", f"Name each plan once, and at most {MAX_PLANS}.")
    return found


def _read_plan(text: str) -> tuple[str, int]:
    found = _OF_PLAN.fullmatch(text)
    if found is None:
        raise Invalid(f"{printable(text)} is not a plan and its days.", "Write them like this: Pro=30,Business=90")
    return found[1], read_days(found[2])
