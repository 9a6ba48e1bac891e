"""Reports of what an organization used in a period, for each app and each day."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from skypanel.domain import billing
from skypanel.domain.account import Organization
from skypanel.domain.billing import AppUsage, DayUsage
from skypanel.domain.period import Period
from skypanel.ports.panel import Panel
from skypanel.store import usage


@dataclass(frozen=True)
class UsageReport:
    """The usage of each app, most expensive first, and of each day of a period."""

    period: Period
    apps: Sequence[AppUsage]
    days: Sequence[DayUsage]

    @property
    def cost(self) -> Decimal:
        """The total cost."""
        return sum((app.cost for app in self.apps), start=Decimal(0))

    @property
    def dyno_hours(self) -> Decimal:
        """The total hours."""
        return sum((app.dyno_hours for app in self.apps), start=Decimal("0.00"))


async def report(panel: Panel, organization: Organization, period: Period) -> UsageReport:
    """Return what an organization used, including usage that is not settled yet. Raises NotFound."""
    since, until = period.since, period.until
    async with panel.transaction() as conn:
        settled = await usage.settled_until(conn, organization.id)
        # One transaction, so that an hour that is being settled is not counted twice.
        apps = await usage.by_app(conn, organization.id, since, min(until, settled))
        days = await usage.by_day(conn, organization.id, since, min(until, settled))
        begin, end = max(since, settled), min(until, await usage.now(conn))
        running = billing.usage(await usage.spans(conn, organization.id, begin, end), begin, end)
    return UsageReport(period, billing.by_app([*apps, *running]), billing.by_day([*days, *running], period.days()))
