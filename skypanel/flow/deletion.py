"""Deletion of an organization, and what happens to its apps.

The audit log, usage and wallet entries stay, under its id.
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
    """Return the organization with this name or id, if the account may do `action` to it or is an administrator.

    Raises NotFound, Denied.
    """
    if runs_platform(by):
        return await organizations_flow.find(panel, by, name)
    return await organizations_flow.access(panel, by, name, action)


async def find_recipient(panel: Panel, by: Account, name: str) -> Organization:
    """Return the organization that will get the apps, if the account may give it apps. Raises NotFound, Denied."""
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
    """Delete an organization and return its final balance, after a charge for all usage so far.

    If it has apps, the caller must choose. DESTROY destroys them and needs the organization's name as `confirm`; REASSIGN moves them to
    `to`. Raises Conflict without a choice, Invalid for an incomplete one, Denied, NotFound. After a failure half-way, such as Unavailable,
    the organization and the remaining apps are unchanged. The deletion can then be repeated.
    """
    async with panel.autocommit() as conn:
        await _check(conn, organization, by)
        own = await apps.of_organization(conn, organization.id)
    check_choice(organization, len(own), on_delete, to=to, confirm=confirm)
    if on_delete is OnDelete.REASSIGN and to is not None:
        await transfer.transfer_all(panel, organization, to, by)
    elif on_delete is OnDelete.DESTROY:
        for app in own:
            with suppress(NotFound):  # it was destroyed in the meantime
                await apps_flow.destroy(panel, app, by)
    await billing.settle(panel, organization.id)
    async with panel.transaction() as conn:
        await organizations.lock(conn, organization.id)
        await _check(conn, organization, by)
        left = await billing.close(conn, organization.id)
        what, recipient = (on_delete, to.name if to else None) if own else (None, None)
        name = organization.name
        await audit.record(
            conn, AuditAction.ORGANIZATION_DELETE, by, organization=organization, name=name, apps=what, to=recipient, left=str(left)
        )
        await organizations.remove(conn, organization.id)
    return left


async def _check(conn: Connection, organization: Organization, by: Account) -> None:
    """Check existence and role again in this transaction, because both may have just changed."""
    await organizations.get(conn, organization.id)
    if not (runs_platform(by) or allows(await organizations.role(conn, organization.id, by.id), Action.DELETE_ORGANIZATION)):
        raise Denied(f"Your role does not allow this in {organization.name}.", "Ask one of its owners.")
