"""Organizations with totals, for administrators: a few statements, whatever the number of organizations."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from decimal import Decimal

from skypanel.domain.access import check_admin
from skypanel.domain.account import Account, Organization
from skypanel.domain.alert import Alert
from skypanel.domain.audit import AuditEntry
from skypanel.domain.billing import month_of
from skypanel.domain.figures import Granted, OrganizationFigures, PanelFigures, ResourceUsage
from skypanel.domain.ids import OrganizationId
from skypanel.domain.job import JobCounts
from skypanel.domain.paging import PAGE_SIZE, Part
from skypanel.domain.period import Period
from skypanel.flow import billing
from skypanel.ports.panel import Panel
from skypanel.store import alerts, audit, jobs, organizations, usage_sums, wallets
from skypanel.store import usage as stored
from skypanel.store.usage_sums import UsageQuery

RECENT = 10


@dataclass(frozen=True)
class Overview:
    """The totals of the panel, and of a page of organizations."""

    panel: PanelFigures
    organizations: Sequence[OrganizationFigures]


async def overview(panel: Panel, by: Account, *, after: str = "", limit: int | None = None) -> Overview:
    """Return the panel's totals, and organizations in order of name after `after`, at most `limit`. Raises Denied."""
    check_admin(by)
    async with panel.autocommit() as conn:
        is_billing = await billing.is_switched_on(conn)
        found = await organizations.figures(conn, after=after, limit=limit)
        return Overview(await organizations.panel_figures(conn), [_shown(each, is_billing=is_billing) for each in found])


async def search(panel: Panel, by: Account, text: str, number: int) -> Part[OrganizationFigures]:
    """Return a page of the organizations with a text in their name, in order of name. Raises Denied."""
    check_admin(by)
    async with panel.autocommit() as conn:
        is_billing = await billing.is_switched_on(conn)
        found = await organizations.search(conn, text.strip(), offset=(number - 1) * PAGE_SIZE, limit=PAGE_SIZE)
        shown = [_shown(each, is_billing=is_billing) for each in found]
        return Part(shown, number, await organizations.count(conn, text.strip()))


@dataclass(frozen=True)
class Platform:
    """What the overview of the whole panel shows. `credit` is what all charged wallets hold together; None without billing."""

    panel: PanelFigures
    jobs: JobCounts
    granted: Granted
    open_alerts: Sequence[Alert]
    recent: Sequence[AuditEntry]
    credit: Decimal | None


async def platform(panel: Panel, by: Account) -> Platform:
    """Return the figures of the whole panel; a new one has zeros. Raises Denied."""
    check_admin(by)
    async with panel.autocommit() as conn:
        return Platform(
            await organizations.panel_figures(conn),
            await jobs.counts(conn),
            await stored.granted_in_all(conn),
            await alerts.open_(conn),
            await audit.recent(conn, RECENT),
            await wallets.total(conn) if await billing.is_switched_on(conn) else None,
        )


async def one(panel: Panel, by: Account, organization_id: OrganizationId) -> OrganizationFigures:
    """Return one organization with its totals. Raises Denied or NotFound."""
    check_admin(by)
    return await summary(panel, organization_id)


async def summary(panel: Panel, organization_id: OrganizationId) -> OrganizationFigures:
    """Return one organization with its totals, for its members. Raises NotFound."""
    async with panel.autocommit() as conn:
        return _shown(await organizations.figures_of(conn, organization_id), is_billing=await billing.is_switched_on(conn))


def _shown(figures: OrganizationFigures, *, is_billing: bool) -> OrganizationFigures:
    return figures if is_billing and figures.organization.billed else replace(figures, balance=None)


async def resource_usage(panel: Panel, organization: Organization, number: int | None = None) -> ResourceUsage:
    """Return the resources of an organization's apps now, and their usage in this UTC month, most expensive first.

    Deleted apps are included. The apps are those of one page, or all without a number.
    """
    async with panel.autocommit() as conn:
        now = await stored.now(conn)
        return await usage_sums.figures(conn, UsageQuery(organization.id, Period(*month_of(now)), now), number)
