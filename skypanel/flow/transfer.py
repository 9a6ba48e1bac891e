"""Giving an app to another organization, or offering it to somebody who takes it into theirs.

Its name, repository, releases and config vars go along. Who had access to it alone was let in by those who have it no
more, and has it no more either. Dynos are in their organization's network: new ones take their place, without a failed request.
"""

from collections.abc import Sequence

from skypanel.domain.access import Action, allows, runs_platform
from skypanel.domain.account import Account, Organization
from skypanel.domain.app import App
from skypanel.domain.audit import AuditAction
from skypanel.domain.errors import Conflict, Denied, Invalid, NotFound, Unavailable
from skypanel.domain.ids import AppId, OrganizationId, TransferId
from skypanel.domain.manifest import ONE_OFF
from skypanel.domain.release import RolloutReason
from skypanel.domain.suspension import Suspension
from skypanel.domain.transfer import Transfer, TransferState
from skypanel.flow import audit
from skypanel.ports.database import Connection
from skypanel.ports.panel import Panel
from skypanel.ports.queue import Job
from skypanel.store import apps, collaborators, organizations, rollouts, transfers

_OWN_ONE = "Make an organization of your own first: POST /teams, or ask an administrator."


async def transfer(panel: Panel, app: App, to: Organization, by: Account) -> App:
    """Give an app to an organization; the account is to be an admin of both. Raises Denied.

    Raises Unavailable where that was done and its one-off dynos could not be told to end.
    """
    async with panel.transaction() as conn:
        app = await _locked(conn, app.id)
        await _check(conn, app, by)
        if not await _may(conn, to.id, by):
            raise Denied(f"Your role does not allow this in {to.name}.", "Ask one of its owners to make you an admin.")
        if app.organization_id == to.id:
            return app
        moved = await _move(conn, app, to, by)
    return await _settle(panel, moved)


async def transfer_all(panel: Panel, owner: Organization, to: Organization, by: Account) -> None:
    """Give every app of an organization to another one, all of them or none. Raises as `transfer`.

    Who runs the platform need not be an admin of both.
    """
    async with panel.transaction() as conn:
        if not runs_platform(by):
            for each in (owner, to):
                if not await _may(conn, each.id, by):
                    raise Denied(f"Your role does not allow this in {each.name}.", "Ask one of its owners to make you an admin.")
        # Always in the same order, so that two who do this never wait for each other.
        ids = sorted(app.id for app in await apps.of_organization(conn, owner.id))
        for app_id in ids:
            await apps.lock(conn, app_id)
        # What went elsewhere meanwhile is no longer theirs to give; what came is not locked.
        own = {app.id: app for app in await apps.of_organization(conn, owner.id)}
        moved = [await _move(conn, own[app_id], to, by) for app_id in ids if app_id in own]
    await panel.queue.wake(Job.ROLLOUT)
    await _end_one_offs(panel, moved)


async def of(panel: Panel, by: Account) -> Sequence[Transfer]:
    """Return the offers that the account made or got, the oldest first."""
    async with panel.autocommit() as conn:
        return await transfers.of(conn, by.id)


async def get(panel: Panel, transfer_id: TransferId) -> Transfer:
    """Return an offer. Raises NotFound."""
    async with panel.autocommit() as conn:
        return await transfers.get(conn, transfer_id)


async def offer(panel: Panel, app: App, recipient: Account, by: Account) -> Transfer:
    """Offer an app to somebody, in place of an offer that was not answered yet. Raises Denied and Invalid."""
    if recipient.id == by.id:
        raise Invalid("That is your own address.", "To give the app to another organization of yours, name that one.")
    async with panel.transaction() as conn:
        app = await _locked(conn, app.id)
        await _check(conn, app, by)
        offered = await transfers.get(conn, await transfers.add(conn, app.id, by.id, recipient.id))
        await audit.record(conn, AuditAction.APP_OFFER, by, app, to=recipient.email)
    return offered


async def offered(panel: Panel, to: Account) -> Sequence[Transfer]:
    """Return what an account is to answer."""
    async with panel.autocommit() as conn:
        return [each for each in await transfers.of(conn, to.id) if each.awaits(to.id)]


async def find_offered(panel: Panel, to: Account, offer_id: str) -> Transfer:
    """Return one of them, by its id. Raises NotFound."""
    found = next((each for each in await offered(panel, to) if str(each.id) == offer_id), None)
    if found is None:
        raise NotFound("There is no such offer.", "It was answered, or taken back.")
    return found


async def accept(panel: Panel, offered: Transfer, by: Account) -> App:
    """Take an offered app into the account's oldest organization of which it is an admin.

    Raises Denied for another's offer, Conflict where it cannot be taken any more or there is no such organization; else as `transfer`.
    """
    _check_recipient(offered, by)
    async with panel.transaction() as conn:
        app = await _answered(conn, offered, TransferState.ACCEPTED)
        if not await _may(conn, app.organization_id, offered.sender):
            raise Conflict(f"{offered.sender.email} may not give {app.name} away any more.", "Ask an admin of its organization.")
        moved = await _move(conn, app, await _own(conn, app, by), by)
    return await _settle(panel, moved)


async def decline(panel: Panel, offered: Transfer, by: Account) -> None:
    """Turn an offer down. Raises Denied for another's, Conflict for one that was answered."""
    _check_recipient(offered, by)
    async with panel.transaction() as conn:
        app = await _answered(conn, offered, TransferState.DECLINED)
        await audit.record(conn, AuditAction.APP_DECLINE, by, app)


async def withdraw(panel: Panel, offered: Transfer, by: Account) -> None:
    """Take an offer back. Raises Denied for another's, Conflict for one that was answered."""
    if offered.sender.id != by.id:
        raise Denied(f"{offered.app_name} was not offered by you.", "Decline the offer instead.")
    async with panel.transaction() as conn:
        app = await _locked(conn, offered.app_id)
        if not await transfers.withdraw(conn, offered.id):
            raise _ended(offered)
        await audit.record(conn, AuditAction.APP_WITHDRAW, by, app)


async def _locked(conn: Connection, app_id: AppId) -> App:
    await apps.lock(conn, app_id)
    return await apps.get(conn, app_id)


async def _answered(conn: Connection, offered: Transfer, state: TransferState) -> App:
    """Answer an offer, and return its app, which nobody else changes meanwhile."""
    app = await _locked(conn, offered.app_id)
    if not await transfers.answer(conn, offered.id, state):
        raise _ended(offered)
    return app


def _ended(offered: Transfer) -> Conflict:
    return Conflict(f"{offered.app_name} is not offered any more.", "It was taken, declined, or taken back: ask for another offer.")


def _check_recipient(offered: Transfer, by: Account) -> None:
    if offered.recipient.id != by.id:
        raise Denied(f"{offered.app_name} is not offered to you.", "Only who it is offered to can answer.")


async def _check(conn: Connection, app: App, by: Account) -> None:
    """Look at the role once more, under the lock: the app may have gone to somebody else a moment ago."""
    if not await _may(conn, app.organization_id, by):
        raise Denied(f"Your role does not allow this on {app.name}.", "Ask an admin of its organization.")


async def _may(conn: Connection, organization_id: OrganizationId, by: Account) -> bool:
    return allows(await organizations.role(conn, organization_id, by.id), Action.TRANSFER_APP)


async def _own(conn: Connection, app: App, by: Account) -> Organization:
    """Return where somebody takes an app."""
    for each in await organizations.of(conn, by.id):
        if each.id != app.organization_id and await _may(conn, each.id, by):
            return each
    raise Conflict("You are an admin of no organization that the app could be taken into.", _OWN_ONE)


async def _move(conn: Connection, app: App, to: Organization, by: Account) -> App:
    if app.suspension is Suspension.HELD and not runs_platform(by):
        # Else it would run again elsewhere.
        raise Denied(f"{app.name} cannot be given away: {app.suspension.reason}.", app.suspension.remedy)
    before = await organizations.get(conn, app.organization_id)
    await transfers.forget(conn, app.id)
    await collaborators.remove_all(conn, app.id)
    await apps.move(conn, app.id, to.id)
    moved = await apps.get(conn, app.id)
    # Once for each: both read what was done to what is theirs.
    for each in (app, moved):
        await audit.record(conn, AuditAction.APP_TRANSFER, by, each, organization_before=before.name, organization_after=to.name)
    if moved.current_release_id is not None:
        await rollouts.add(conn, moved.id, moved.current_release_id, RolloutReason.REPAIR)
    return moved


async def _settle(panel: Panel, app: App) -> App:
    """Have the dynos replaced, and end what somebody may still be doing in the app."""
    await panel.queue.wake(Job.ROLLOUT)
    await _end_one_offs(panel, [app])
    return app


async def _end_one_offs(panel: Panel, moved: Sequence[App]) -> None:
    """End the one-off dynos of each app, before it is told that those of one could not be. Raises Unavailable."""
    failure: Unavailable | None = None
    for app in moved:
        try:
            await panel.scheduler.stop(app.id, ONE_OFF)
        except Unavailable as error:
            failure = error
    if failure:
        raise failure
