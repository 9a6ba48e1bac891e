"""Deleting an organization, and what becomes of its apps.

What it did, used and paid stays on record, by its id.
"""

from contextlib import suppress
from decimal import Decimal

from skypanel.domain.access import Action, allows, runs_platform
from skypanel.domain.account import Account, Organization
from skypanel.domain.audit import AuditAction
from skypanel.domain.deletion import OnDelete, check_choice
from skypanel.domain.errors import Denied, NotFound
from skypanel.flow import apps as apps_flow
from skypanel.flow import audit, billing, transfer
from skypanel.flow import organizations as organizations_flow
from skypanel.ports.database import Connection
from skypanel.ports.panel import Panel
from skypanel.store import apps, organizations


async def find(panel: Panel, by: Account, name: str, action: Action = Action.DELETE_ORGANIZATION) -> Organization:
    """Return the organization of a name or id if the account may do `action` to it, or runs the platform.

    Raises NotFound, Denied.
    """
    if runs_platform(by):
        return await organizations_flow.find(panel, by, name)
    return await organizations_flow.access(panel, by, name, action)


async def find_recipient(panel: Panel, by: Account, name: str) -> Organization:
    """Return the organization that is to get the apps, if the account may give it some. Raises NotFound, Denied."""
    return await find(panel, by, name, Action.TRANSFER_APP)


async def delete(
    panel: Panel,
    organization: Organization,
    by: Account,
    on_delete: OnDelete | None = None,
    *,
    to: Organization | None = None,
    confirm: str = "",
) -> Decimal:
    """Delete an organization and return what its wallet had left, once what it used up to now was charged.

    One with apps takes a choice: to destroy all, with its name as `confirm`, or to have `to` get them. Raises Conflict
    without one, Invalid for half of one, Denied, NotFound. Where it fails half-way, as with Unavailable, the organization
    and the apps that are left are as they were, and it can be deleted again.
    """
    async with panel.autocommit() as conn:
        await _check(conn, organization, by)
        own = await apps.of_organization(conn, organization.id)
    check_choice(organization, len(own), on_delete, to=to, confirm=confirm)
    if on_delete is OnDelete.REASSIGN and to is not None:
        await transfer.transfer_all(panel, organization, to, by)
    elif on_delete is OnDelete.DESTROY:
        for app in own:
            with suppress(NotFound):  # somebody destroyed it meanwhile
                await apps_flow.destroy(panel, app, by)
    await billing.settle(panel, organization.id)
    async with panel.transaction() as conn:
        await organizations.lock(conn, organization.id)
        await _check(conn, organization, by)
        left = await billing.close(conn, organization.id)
        what, heir = (on_delete, to.name if to else None) if own else (None, None)
        name = organization.name
        await audit.record(
            conn, AuditAction.ORGANIZATION_DELETE, by, organization=organization, name=name, apps=what, to=heir, left=str(left)
        )
        await organizations.remove(conn, organization.id)
    return left


async def _check(conn: Connection, organization: Organization, by: Account) -> None:
    """Look at the role once more: it may have changed a moment ago, and so may what there is."""
    await organizations.get(conn, organization.id)
    if not (runs_platform(by) or allows(await organizations.role(conn, organization.id, by.id), Action.DELETE_ORGANIZATION)):
        raise Denied(f"Your role does not allow this in {organization.name}.", "Ask one of its owners.")
