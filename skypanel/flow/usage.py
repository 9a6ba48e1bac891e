"""Reports of what an organization used in a period, for each app and each day."""

from collections.abc import Sequence
from dataclasses import dataclass

from skypanel.domain.account import Organization
from skypanel.domain.billing import DayUsage, Usage
from skypanel.domain.period import Period
from skypanel.ports.panel import Panel
from skypanel.store import usage, usage_sums
from skypanel.store.usage_sums import UsageQuery


@dataclass(frozen=True)
class UsageReport:
    """The usage of apps, and of each day of a period."""

    period: Period
    used: Usage
    days: Sequence[DayUsage]


async def report(panel: Panel, organization: Organization, period: Period, number: int | None = None) -> UsageReport:
    """Return what an organization used, including usage that is not settled yet, and of apps one page, or all. Raises NotFound."""
    async with panel.autocommit() as conn:
        used, days = await usage_sums.of_period(conn, UsageQuery(organization.id, period, await usage.now(conn)), number)
    return UsageReport(period, used, days)
