"""Transfers: giving an app to another organization, or offering it to a person who takes it into one of theirs.

Its name, repository, releases and config vars stay. Collaborators lose their access, because the previous organization granted it. Dynos
belong to their organization's network, so new ones replace them, without a failed request.
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
from skypanel.ports.scheduler import Scheduler
from skypanel.store import apps, collaborators, log_drains, organizations, rollouts, transfers, webhooks

_CREATE_ONE = "Create an organization of your own first: POST /teams, or ask an administrator."


async def transfer(panel: Panel, app: App, to: Organization, by: Account) -> App:
    """Move an app to another organization; the account must be an admin of both. Raises Denied.

    Raises Unavailable if the app has moved but its one-off dynos could not be stopped.
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
    """Move all apps of an organization to another one, all or none. Raises as `transfer`.

    An administrator of the panel need not be an admin of both.
    """
    async with panel.transaction() as conn:
        if not runs_platform(by):
            for each in (owner, to):
                if not await _may(conn, each.id, by):
                    raise Denied(f"Your role does not allow this in {each.name}.", "Ask one of its owners to make you an admin.")
        # Always in the same order, so that concurrent calls cannot deadlock.
        ids = sorted(app.id for app in await apps.of_organization(conn, owner.id))
        for app_id in ids:
            await apps.lock(conn, app_id)
        # Apps that left in the meantime are not this organization's any more; apps that arrived are not locked.
        own = {app.id: app for app in await apps.of_organization(conn, owner.id)}
        moved = [await _move(conn, own[app_id], to, by) for app_id in ids if app_id in own]
    await panel.queue.wake(Job.ROLLOUT)
    await _end_one_offs(panel.scheduler, moved)


async def of(panel: Panel, by: Account) -> Sequence[Transfer]:
    """Return the offers that the account made or received, oldest first."""
    async with panel.autocommit() as conn:
        return await transfers.of(conn, by.id)


async def get(panel: Panel, transfer_id: TransferId) -> Transfer:
    """Return an offer. Raises NotFound."""
    async with panel.autocommit() as conn:
        return await transfers.get(conn, transfer_id)


async def offer(panel: Panel, app: App, recipient: Account, by: Account) -> Transfer:
    """Offer an app to a person, in place of a pending offer. Raises Denied and Invalid."""
    if recipient.id == by.id:
        raise Invalid("That is your own address.", "To transfer the app to another organization of yours, give its name.")
    async with panel.transaction() as conn:
        app = await _locked(conn, app.id)
        await _check(conn, app, by)
        offered = await transfers.get(conn, await transfers.add(conn, app.id, by.id, recipient.id))
        await audit.record(conn, AuditAction.APP_OFFER, by, app, to=recipient.email)
    return offered


async def pending(panel: Panel, app: App) -> Transfer | None:
    """Return the offer of an app that nobody has answered yet, or None."""
    async with panel.autocommit() as conn:
        return await transfers.pending(conn, app.id)


async def offered(panel: Panel, to: Account) -> Sequence[Transfer]:
    """Return the offers that an account can answer."""
    async with panel.autocommit() as conn:
        return [each for each in await transfers.of(conn, to.id) if each.awaits(to.id)]


async def find_offered(panel: Panel, to: Account, offer_id: str) -> Transfer:
    """Return one of the offers that an account can answer, by its id. Raises NotFound."""
    found = next((each for each in await offered(panel, to) if str(each.id) == offer_id), None)
    if found is None:
        raise NotFound("There is no such offer.", "It was answered or withdrawn.")
    return found


async def accept(panel: Panel, offered: Transfer, by: Account) -> App:
    """Take an offered app into the account's oldest organization of which it is an admin.

    Raises Denied for an offer to another account. Raises Conflict if the offer has ended, or if there is no such organization; otherwise as
    `transfer`.
    """
    _check_recipient(offered, by)
    async with panel.transaction() as conn:
        app = await _answered(conn, offered, TransferState.ACCEPTED)
        if not await _may(conn, app.organization_id, offered.sender):
            raise Conflict(f"{offered.sender.email} can no longer transfer {app.name}.", "Ask an admin of its organization.")
        moved = await _move(conn, app, await _target(conn, app, by), by)
    return await _settle(panel, moved)


async def decline(panel: Panel, offered: Transfer, by: Account) -> None:
    """Decline an offer. Raises Denied for an offer to another account, Conflict for one that has ended."""
    _check_recipient(offered, by)
    async with panel.transaction() as conn:
        app = await _answered(conn, offered, TransferState.DECLINED)
        await audit.record(conn, AuditAction.APP_DECLINE, by, app)


async def withdraw(panel: Panel, offered: Transfer, by: Account) -> None:
    """Withdraw an offer. Raises Denied for another account's offer, Conflict for one that has ended."""
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
    """Record the answer to an offer, and return its app, locked until the transaction ends."""
    app = await _locked(conn, offered.app_id)
    if not await transfers.answer(conn, offered.id, state):
        raise _ended(offered)
    return app


def _ended(offered: Transfer) -> Conflict:
    return Conflict(f"{offered.app_name} is no longer offered.", "The offer was accepted, declined or withdrawn. Ask for another one.")


def _check_recipient(offered: Transfer, by: Account) -> None:
    if offered.recipient.id != by.id:
        raise Denied(f"{offered.app_name} is not offered to you.", "Only the recipient can answer the offer.")


async def _check(conn: Connection, app: App, by: Account) -> None:
    """Check the role again, under the lock: the app may have just moved to another organization."""
    if not await _may(conn, app.organization_id, by):
        raise Denied(f"Your role does not allow this on {app.name}.", "Ask an admin of its organization.")


async def _may(conn: Connection, organization_id: OrganizationId, by: Account) -> bool:
    return allows(await organizations.role(conn, organization_id, by.id), Action.TRANSFER_APP)


async def _target(conn: Connection, app: App, by: Account) -> Organization:
    """Return the account's oldest organization that can take an app. Raises Conflict."""
    for each in await organizations.of(conn, by.id):
        if each.id != app.organization_id and await _may(conn, each.id, by):
            return each
    raise Conflict("You are not an admin of any organization that could own the app.", _CREATE_ONE)


async def _move(conn: Connection, app: App, to: Organization, by: Account) -> App:
    if app.suspension is Suspension.HELD and not runs_platform(by):
        # Otherwise the app would run again elsewhere.
        raise Denied(f"{app.name} cannot be transferred: {app.suspension.reason}.", app.suspension.remedy)
    before = await organizations.get(conn, app.organization_id)
    await transfers.forget(conn, app.id)
    await collaborators.remove_all(conn, app.id)
    # They tell the old owner's servers.
    await webhooks.clear(conn, app.id)
    await log_drains.clear(conn, app.id)
    await apps.move(conn, app.id, to.id)
    moved = await apps.get(conn, app.id)
    # One entry for each organization, because both read what happened to their own apps.
    for each in (app, moved):
        await audit.record(conn, AuditAction.APP_TRANSFER, by, each, organization_before=before.name, organization_after=to.name)
    if moved.current_release_id is not None:
        await rollouts.add(conn, moved.id, moved.current_release_id, RolloutReason.REPAIR)
    return moved


async def _settle(panel: Panel, app: App) -> App:
    """Start the rollout that replaces the dynos, and stop the app's one-off dynos."""
    await panel.queue.wake(Job.ROLLOUT)
    await _end_one_offs(panel.scheduler, [app])
    return app


async def _end_one_offs(scheduler: Scheduler, moved: Sequence[App]) -> None:
    """Stop the one-off dynos of every app, even if that fails for one of them. Raises Unavailable afterwards."""
    failure: Unavailable | None = None
    for app in moved:
        try:
            await scheduler.stop(app.id, ONE_OFF)
        except Unavailable as error:
            failure = error
    if failure:
        raise failure
