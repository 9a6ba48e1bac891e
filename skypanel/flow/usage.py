"""Reports of what an organization used in a period, for each app and each day."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from skypanel.domain import billing
from skypanel.domain.account import Organization
from skypanel.domain.billing import AppUsage, DayUsage, HourlyUsage
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
    settled, running = await _used(panel, organization, period, with_days=True)
    return UsageReport(period, billing.by_app([*settled.apps, *running]), billing.by_day([*settled.days, *running], period.days()))


async def of_apps(panel: Panel, organization: Organization, period: Period) -> list[AppUsage]:
    """Return what each app of an organization used, as `report` does, in half its time. Raises NotFound."""
    settled, running = await _used(panel, organization, period, with_days=False)
    return billing.by_app([*settled.apps, *running])


async def _used(panel: Panel, organization: Organization, period: Period, *, with_days: bool) -> tuple[usage.Settled, list[HourlyUsage]]:
    async with panel.autocommit() as conn:
        settled = await usage.settled(conn, organization.id, period.since, period.until, with_days=with_days)
        since, until = max(period.since, settled.until), min(period.until, await usage.now(conn))
        return settled, billing.usage(await usage.spans(conn, organization.id, since, until), since, until)
