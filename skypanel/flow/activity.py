"""What was done on the panel, in an organization or to one of its apps, page by page."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import replace

from skypanel.domain.access import Action, allows, check_admin
from skypanel.domain.account import Account, Organization
from skypanel.domain.app import App
from skypanel.domain.audit import OF_WALLETS, AuditEntry, AuditFilter
from skypanel.domain.errors import Denied
from skypanel.domain.paging import PAGE_SIZE, Cursor, Page, page
from skypanel.ports.panel import Panel
from skypanel.store import audit, organizations

EXPORTED_AT_ONCE = 1000


async def of_organization(
    panel: Panel, organization: Organization, wanted: AuditFilter, cursor: Cursor, *, with_wallet: bool
) -> Page[AuditEntry]:
    """Return a page of an organization's audit log, without its wallet's entries unless the reader may see the wallet."""
    hidden = wanted.hidden if with_wallet else wanted.hidden | OF_WALLETS
    return await _page(panel, replace(wanted, organization_id=organization.id, hidden=hidden), cursor)


async def of_app(panel: Panel, app: App, by: Account, wanted: AuditFilter, cursor: Cursor) -> Page[AuditEntry]:
    """Return a page of an app's audit log, as far as it happened in the app's current organization.

    Raises Denied for everybody but the members of that organization, because the log names them.
    """
    async with panel.autocommit() as conn:
        if not allows(await organizations.role(conn, app.organization_id, by.id), Action.VIEW_ACTIVITY):
            raise Denied(f"Only members of its organization see what was done to {app.name}.", "Ask one of them.")
    return await _page(panel, replace(wanted, organization_id=app.organization_id, app_id=app.id), cursor)


async def of_panel(panel: Panel, by: Account, wanted: AuditFilter, cursor: Cursor) -> Page[AuditEntry]:
    """Return a page of the whole audit log. Raises Denied."""
    check_admin(by)
    return await _page(panel, wanted, cursor)


async def exported(panel: Panel, by: Account, wanted: AuditFilter) -> AsyncIterator[Sequence[AuditEntry]]:
    """Yield the wanted entries of the whole audit log, newest first, up to EXPORTED_AT_ONCE at a time. Raises Denied."""
    check_admin(by)
    cursor = Cursor()
    while True:
        async with panel.autocommit() as conn:
            found = await audit.page(conn, wanted, cursor, EXPORTED_AT_ONCE)
        yield found
        if len(found) < EXPORTED_AT_ONCE:
            return
        cursor = Cursor(before=found[-1].id)


async def _page(panel: Panel, wanted: AuditFilter, cursor: Cursor) -> Page[AuditEntry]:
    async with panel.autocommit() as conn:
        return page(await audit.page(conn, wanted, cursor, PAGE_SIZE + 1), cursor)
