"""Collaborators: people with access to one app who are not members of its organization."""

from collections.abc import Sequence

from skypanel.domain.access import HIGHEST_COLLABORATOR, Action, Member, Role, allows
from skypanel.domain.account import Account
from skypanel.domain.app import App
from skypanel.domain.audit import AuditAction
from skypanel.domain.errors import Invalid, NotFound
from skypanel.flow import audit, invitation
from skypanel.flow.invitation import Invitation
from skypanel.ports.panel import Panel
from skypanel.store import collaborators, organizations


async def of(panel: Panel, app: App) -> Sequence[Member]:
    """Return an app's collaborators, in order of address; members of its organization are not included."""
    async with panel.autocommit() as conn:
        return await collaborators.of(conn, app.id)


async def everybody(panel: Panel, app: App, by: Account) -> Sequence[Member]:
    """Return who has access to an app: the members of its organization that `by` sees, then its collaborators who are no members."""
    members, others = await _people(panel, app)
    known = {member.account.id for member in members}
    return [*_seen(members, by), *(other for other in others if other.account.id not in known)]


async def divided(panel: Panel, app: App, by: Account) -> tuple[Sequence[Member], Sequence[Member]]:
    """Return the members of an app's organization that `by` sees, and all its collaborators."""
    members, others = await _people(panel, app)
    return _seen(members, by), others


async def _people(panel: Panel, app: App) -> tuple[Sequence[Member], Sequence[Member]]:
    async with panel.autocommit() as conn:
        return await organizations.members(conn, app.organization_id), await collaborators.of(conn, app.id)


def _seen(members: Sequence[Member], by: Account) -> Sequence[Member]:
    """Return the members that an account sees: a collaborator sees the owner only, because the app itself names the owner."""
    mine = next((member.role for member in members if member.account.id == by.id), None)
    # The highest role, and among equals the longest membership: members come oldest first, and sorting is stable.
    return members if allows(mine, Action.VIEW_MEMBERS) else sorted(members, key=lambda member: -member.role)[:1]


async def add(panel: Panel, app: App, email: str, role: Role, by: Account) -> Invitation:
    """Give a person a role on an app, or change it; an address without an account gets one. Raises Invalid."""
    if role > HIGHEST_COLLABORATOR:
        raise Invalid(f"A collaborator cannot be {role.word}.", f"Choose {HIGHEST_COLLABORATOR.word} or below, or add a member.")
    async with panel.transaction() as conn:
        account, is_new = await invitation.account_of(conn, email, by)
        await collaborators.put(conn, app.id, account.id, role)
        await audit.record(conn, AuditAction.COLLABORATOR_ADD, by, app, collaborator=account.email, role=role.word)
    return await invitation.invite(panel, account, is_new=is_new)


async def invite_again(panel: Panel, app: App, email: str, by: Account) -> Invitation:
    """Mail a new link to a collaborator who has not signed in yet; earlier links stop working. An administrator of the panel gets it too.

    Raises NotFound, Denied if there is no mail, Unavailable, and Conflict if the collaborator has signed in.
    """
    async with panel.transaction() as conn:
        account = await invitation.known(conn, email)
        if await collaborators.role(conn, app, account.id) is None:
            raise NotFound(f"{account.email} has no access here.", "The list shows who has.")
        renewed = await invitation.renew(panel, conn, account, by)
        await audit.record(conn, AuditAction.ACCOUNT_INVITE, by, app, account=account)
    return await invitation.sent_again(panel, renewed, by)


async def remove(panel: Panel, app: App, email: str, by: Account) -> None:
    """Remove a collaborator. Raises NotFound."""
    async with panel.transaction() as conn:
        account = await invitation.known(conn, email)
        if not await collaborators.remove(conn, app.id, account.id):
            raise NotFound(f"{account.email} has no access here.", "Check the address in the list of people with access.")
        await audit.record(conn, AuditAction.COLLABORATOR_REMOVE, by, app, collaborator=account.email)
