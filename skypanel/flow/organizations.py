"""Organizations, their members, and the members' roles."""

from collections.abc import Sequence

from skypanel.domain import names
from skypanel.domain.access import Action, Member, Role, allows, check_admin, managing
from skypanel.domain.account import Account, Organization
from skypanel.domain.audit import AuditAction
from skypanel.domain.errors import Conflict, Denied, Hidden, NotFound
from skypanel.flow import audit, billing, invitation
from skypanel.flow.invitation import Invitation
from skypanel.ports.database import Connection
from skypanel.ports.panel import Panel
from skypanel.store import organizations


async def create(panel: Panel, by: Account, name: str) -> Organization:
    """Create an organization with the account as its owner. Raises Invalid for a bad name, Conflict for a taken one."""
    names.check_organization_name(name)
    async with panel.transaction() as conn:
        made = await organizations.add(conn, name, billed=True)
        await billing.open_wallet(conn, made.id)
        await organizations.add_member(conn, made.id, by.id, Role.OWNER)
        await audit.record(conn, AuditAction.ORGANIZATION_CREATE, by, organization=made, name=name)
    return made


async def rename(panel: Panel, organization: Organization, name: str, by: Account) -> Organization:
    """Rename an organization. Raises Denied, NotFound, Invalid for a bad name, and Conflict for a taken one."""
    names.check_organization_name(name)
    async with panel.transaction() as conn:
        await organizations.lock(conn, organization.id)
        await _check(conn, organization, by, Action.RENAME_ORGANIZATION)
        before = await organizations.get(conn, organization.id)
        if before.name == name:
            return before
        renamed = await organizations.rename(conn, organization.id, name)
        await audit.record(conn, AuditAction.ORGANIZATION_RENAME, by, organization=before, name=before.name, to=name)
    return renamed


async def mine(panel: Panel, by: Account) -> Sequence[tuple[Organization, Role]]:
    """Return the account's organizations with its role in each, the oldest membership first."""
    async with panel.autocommit() as conn:
        return await organizations.with_roles(conn, by.id)


async def role(panel: Panel, organization: Organization, by: Account) -> Role | None:
    """Return the account's role in an organization; None if it is not a member."""
    async with panel.autocommit() as conn:
        return await organizations.role(conn, organization.id, by.id)


async def access(panel: Panel, by: Account, name: str, action: Action) -> Organization:
    """Return the organization with this name or id, if the account may do `action` to it.

    Raises NotFound if it does not exist or the account is not a member, Denied if the account's role is too low.
    """
    async with panel.autocommit() as conn:
        organization = await organizations.named(conn, name)
        role = await organizations.role(conn, organization.id, by.id) if organization else None
    if organization is None or not allows(role, Action.VIEW_MEMBERS):
        raise (Hidden if organization else NotFound)(
            f"Organization {names.printable(name)} not found, or not yours.", "Run `skypanel orgs list` to list yours."
        )
    if not allows(role, action):
        raise _denied(organization)
    return organization


async def find(panel: Panel, by: Account, name: str) -> Organization:
    """Return any organization by its name or id; for administrators only. Raises Denied or NotFound."""
    check_admin(by)
    async with panel.autocommit() as conn:
        found = await organizations.named(conn, name)
    if found is None:
        raise NotFound(f"There is no organization {names.printable(name)}.", "Run `skypanel orgs list` to list all organizations.")
    return found


async def people(panel: Panel, organization: Organization) -> Sequence[tuple[Member, bool]]:
    """Return an organization's members, the oldest membership first, each with whether anybody uses the account."""
    async with panel.autocommit() as conn:
        return await organizations.people(conn, organization.id)


async def members(panel: Panel, organization: Organization) -> Sequence[Member]:
    """Return an organization's members, the oldest membership first."""
    async with panel.autocommit() as conn:
        return await organizations.members(conn, organization.id)


async def add_member(panel: Panel, organization: Organization, email: str, role: Role, by: Account) -> Invitation:
    """Add a member; an address without an account gets one.

    Raises as `invitation.account_of`, Conflict for a member, and Denied if the role of `by` is too low.
    """
    async with panel.transaction() as conn:
        await organizations.lock(conn, organization.id)
        await _check(conn, organization, by, managing(role))
        account, is_new = await invitation.account_of(conn, email, by)
        await organizations.add_member(conn, organization.id, account.id, role)
        await audit.record(conn, AuditAction.MEMBER_ADD, by, organization=organization, member=account.email, role=role.word)
    return await invitation.invite(panel, account, is_new=is_new)


async def invite_again(panel: Panel, organization: Organization, email: str, by: Account) -> Invitation:
    """Mail a new link to a member who has not signed in yet; earlier links stop working. An administrator of the panel gets it too.

    Raises NotFound, Denied if the role of `by` is too low or there is no mail, Unavailable, and Conflict if the member has signed in.
    """
    async with panel.transaction() as conn:
        account, role = await _member(conn, organization, email)
        await _check(conn, organization, by, managing(role))
        renewed = await invitation.renew(panel, conn, account, by)
        await audit.record(conn, AuditAction.ACCOUNT_INVITE, by, organization=organization, account=account)
    return await invitation.sent_again(panel, renewed, by)


async def change_role(panel: Panel, organization: Organization, email: str, role: Role, by: Account) -> None:
    """Change a member's role. Raises NotFound, Denied, and Conflict for the last owner."""
    async with panel.transaction() as conn:
        await organizations.lock(conn, organization.id)
        account, before = await _member(conn, organization, email)
        await _check(conn, organization, by, managing(before, role))
        if role is not Role.OWNER:
            await _keep_an_owner(conn, organization, before)
        await organizations.set_role(conn, organization.id, account.id, role)
        await audit.record(conn, AuditAction.MEMBER_CHANGE, by, organization=organization, member=account.email, role=role.word)


async def remove_member(panel: Panel, organization: Organization, email: str, by: Account) -> None:
    """Remove a member; members may remove themselves. Raises NotFound, Denied, and Conflict for the last owner."""
    async with panel.transaction() as conn:
        await organizations.lock(conn, organization.id)
        account, before = await _member(conn, organization, email)
        if account.id != by.id:
            await _check(conn, organization, by, managing(before))
        await _keep_an_owner(conn, organization, before)
        await organizations.remove_member(conn, organization.id, account.id)
        await audit.record(conn, AuditAction.MEMBER_REMOVE, by, organization=organization, member=account.email)


async def _member(conn: Connection, organization: Organization, email: str) -> tuple[Account, Role]:
    account = await invitation.known(conn, email)
    role = await organizations.role(conn, organization.id, account.id)
    if role is None:
        raise NotFound(f"{names.printable(email)} has no access here.", "Check the address in the list of people with access.")
    return account, role


async def _check(conn: Connection, organization: Organization, by: Account, action: Action) -> None:
    """Check the role again, under the lock, because it may have just changed."""
    if not allows(await organizations.role(conn, organization.id, by.id), action):
        raise _denied(organization)


async def _keep_an_owner(conn: Connection, organization: Organization, leaving: Role) -> None:
    if leaving is Role.OWNER and await organizations.count_owners(conn, organization.id) == 1:
        raise Conflict(f"This is the last owner of {organization.name}.", "Make somebody else an owner first.")


def _denied(organization: Organization) -> Denied:
    return Denied(f"Your role does not allow this in {organization.name}.", "Ask one of its owners.")
