"""What was done in an organization or to one of its apps, page by page."""

from dataclasses import replace

from skypanel.domain.account import Organization
from skypanel.domain.app import App
from skypanel.domain.audit import OF_WALLETS, AuditEntry, AuditFilter
from skypanel.domain.paging import PAGE_SIZE, Cursor, Page, page
from skypanel.ports.panel import Panel
from skypanel.store import audit


async def of_organization(
    panel: Panel, organization: Organization, wanted: AuditFilter, cursor: Cursor, *, with_wallet: bool
) -> Page[AuditEntry]:
    """Return a page of an organization's audit log, without its wallet's entries unless the reader may see the wallet."""
    hidden = wanted.hidden if with_wallet else wanted.hidden | OF_WALLETS
    return await _page(panel, replace(wanted, organization_id=organization.id, hidden=hidden), cursor)


async def of_app(panel: Panel, app: App, wanted: AuditFilter, cursor: Cursor) -> Page[AuditEntry]:
    """Return a page of an app's audit log, as far as it happened in the app's current organization."""
    return await _page(panel, replace(wanted, organization_id=app.organization_id, app_id=app.id), cursor)


async def _page(panel: Panel, wanted: AuditFilter, cursor: Cursor) -> Page[AuditEntry]:
    async with panel.autocommit() as conn:
        return page(await audit.page(conn, wanted, cursor, PAGE_SIZE + 1), cursor)
