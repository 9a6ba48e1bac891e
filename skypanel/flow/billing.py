"""Every hour: what was used is recorded and charged, and who has nothing left is stopped.

All of it may be repeated, done by several at once, and cut off anywhere: an hour is recorded, charged and marked as settled in
one transaction, and what should stop or run again is compared anew each time.
"""

import logging
from contextlib import suppress
from datetime import datetime, timedelta
from decimal import Decimal
from uuid import UUID

from skypanel.domain import billing
from skypanel.domain.account import Organization
from skypanel.domain.app import App
from skypanel.domain.errors import NotFound, SkyPanelError
from skypanel.domain.release import RolloutReason
from skypanel.flow.configured import value
from skypanel.ports import Connection, Job, Panel
from skypanel.store import apps, audit, organizations, rollouts, usage, wallets

# What one transaction settles: the hours of a long downtime are caught up with in several.
MOST_AT_ONCE = timedelta(days=7)
SWITCH, STARTING_CREDIT = "billing", "starting_credit"

STOPPED = "Stopped: the wallet of {organization} is empty. Credit it, and the app runs again."
STARTED = "Runs again: the wallet of {organization} can pay."

log = logging.getLogger(__name__)


async def bill(panel: Panel) -> None:
    """Open new wallets, settle every hour that has ended, and stop whoever has nothing left."""
    await _open_wallets(panel)
    async with panel.transaction() as conn:
        due, until = await usage.due(conn), billing.hour_of(await usage.now(conn))
    if due:
        async with panel.transaction() as conn:
            await usage.await_changes(conn)
    for organization_id in due:
        with suppress(NotFound):  # it was deleted meanwhile
            while await _settle(panel, organization_id, until):
                pass
    await review(panel)


async def review(panel: Panel) -> None:
    """Stop the apps of organizations that have nothing left, and bring those of the others back.

    A wallet that was never opened is opened first: nobody is stopped for want of the starting credit.
    """
    await _open_wallets(panel)
    async with panel.transaction() as conn:
        is_on = await _is_on(conn)
        wrong = [
            organization
            for organization, left in await wallets.balances(conn)
            if _must_stop(organization, left, is_on=is_on) != organization.suspended
        ]
    for organization in wrong:
        await _correct(panel, organization.id)


async def open_wallet(conn: Connection, organization_id: UUID) -> None:
    """Put the starting credit into a wallet, unless that was done before."""
    await wallets.lock(conn, organization_id)
    await wallets.open_(conn, organization_id, Decimal(str(await value(conn, STARTING_CREDIT))))


async def is_charged(conn: Connection, organization_id: UUID) -> bool:
    """Whether an organization's hours are charged to its wallet. Raises NotFound."""
    return (await organizations.get(conn, organization_id)).billed and await _is_on(conn)


async def _open_wallets(panel: Panel) -> None:
    async with panel.transaction() as conn:
        unopened = await wallets.unopened(conn)
    for organization_id in unopened:
        async with panel.transaction() as conn:
            await open_wallet(conn, organization_id)


async def _settle(panel: Panel, organization_id: UUID, until: datetime) -> bool:
    """Settle an organization's next hours, those that end by `until`; False if none is left."""
    async with panel.transaction() as conn:
        await wallets.lock(conn, organization_id)
        since = await usage.settled_until(conn, organization_id)
        end = min(until, since + MOST_AT_ONCE)
        if since >= end:
            return False
        used = billing.usage(await usage.spans(conn, organization_id, since, end), since, end)
        await usage.settle(conn, organization_id, end, used)
        if await is_charged(conn, organization_id):
            for hour, cost in billing.costs(used).items():
                if cost:
                    await wallets.charge(conn, organization_id, hour, cost)
    return True


async def _correct(panel: Panel, organization_id: UUID) -> None:
    """Look at an organization once more, alone with its wallet, and have its apps stop or run again."""
    async with panel.transaction() as conn:
        await wallets.lock(conn, organization_id)
        organization = await organizations.get(conn, organization_id)
        stop = _must_stop(organization, await wallets.balance(conn, organization_id), is_on=await _is_on(conn))
        if stop == organization.suspended:
            return
        await organizations.suspend(conn, organization_id, suspended=stop)
        await audit.add(conn, "organization.suspend" if stop else "organization.resume", organization_id=organization_id)
        own = await apps.of_organization(conn, organization_id)
    log.info("%s: %s", organization.name, "its wallet is empty, its apps stop" if stop else "its apps run again")
    for app in own:
        try:
            await _converge(panel, app, (STOPPED if stop else STARTED).format(organization=organization.name))
        except SkyPanelError:
            log.exception("%s (%s) is left to reconciliation", app.name, app.id)
    await panel.queue.wake(Job.ROLLOUT)


async def _converge(panel: Panel, app: App, line: str) -> None:
    """Have an app that ran, or would, follow what its organization can pay for, at once; reconciliation would later."""
    async with panel.transaction() as conn:
        await apps.lock(conn, app.id)
        app = await apps.get(conn, app.id)
        if app.current_release_id is None:
            return
        await rollouts.add(conn, app.id, app.current_release_id, RolloutReason.SCALE)
    await panel.logs.write(app, line)


def _must_stop(organization: Organization, balance: Decimal, *, is_on: bool) -> bool:
    return billing.must_stop(is_charged=is_on and organization.billed, balance=balance)


async def _is_on(conn: Connection) -> bool:
    return await value(conn, SWITCH) is True
