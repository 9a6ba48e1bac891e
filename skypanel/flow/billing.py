"""Every hour: what was used is recorded and charged, and who has nothing left is stopped.

All of it is idempotent; several may do it at once, and it may be cut off anywhere: an hour is recorded, charged and marked as settled in
one transaction, and what should stop or run again is compared anew each time.
"""

import logging
from contextlib import suppress
from datetime import datetime, timedelta
from decimal import Decimal

from skypanel.domain import billing
from skypanel.domain.account import Organization
from skypanel.domain.audit import AuditAction
from skypanel.domain.errors import NotFound
from skypanel.domain.ids import OrganizationId
from skypanel.domain.suspension import Suspension
from skypanel.flow import suspension
from skypanel.flow.configured import value
from skypanel.ports.database import Connection
from skypanel.ports.panel import Panel
from skypanel.store import audit, organizations, usage, wallets

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
        async with panel.transaction() as conn:
            await usage.settle_unused(conn, until)
            due = await usage.due(conn)
    for organization_id in due:
        with suppress(NotFound):  # it was deleted meanwhile
            await _settle_until(panel, organization_id, until)
    await review(panel)


async def review(panel: Panel) -> None:
    """Stop the apps of organizations that have nothing left, and bring those of the others back.

    A wallet that was never opened is opened first: nobody is stopped for want of the starting credit.
    """
    await _open_wallets(panel)
    async with panel.autocommit() as conn:
        is_on = await is_switched_on(conn)
        wrong = [
            organization
            for organization, left in await wallets.balances(conn)
            if _is_unpaid(organization, left, is_on=is_on) != organization.unpaid
        ]
    for organization in wrong:
        with suppress(NotFound):  # it was deleted meanwhile
            await _correct(panel, organization.id)


async def open_wallet(conn: Connection, organization_id: OrganizationId) -> None:
    """Put the starting credit into a wallet, unless that was done before."""
    await wallets.lock(conn, organization_id)
    await wallets.open_(conn, organization_id, Decimal(str(await value(conn, STARTING_CREDIT))))


async def settle(panel: Panel, organization_id: OrganizationId) -> None:
    """Settle an organization's hours that have ended. Raises NotFound."""
    async with panel.transaction() as conn:
        until = billing.hour_of(await usage.now(conn))
    async with panel.transaction() as conn:
        await usage.await_changes(conn)
    await _settle_until(panel, organization_id, until)


async def close(conn: Connection, organization_id: OrganizationId) -> Decimal:
    """Settle also the part of this hour that an organization used, and return what its wallet has left then. Raises NotFound.

    Only for one that is deleted in the same transaction: no hour is settled twice.
    """
    await wallets.lock(conn, organization_id)
    await _record(conn, organization_id, await usage.settled_until(conn, organization_id), await usage.now(conn))
    return await wallets.balance(conn, organization_id)


async def is_charged(conn: Connection, organization_id: OrganizationId) -> bool:
    """Whether an organization's hours are charged to its wallet. Raises NotFound."""
    return (await organizations.get(conn, organization_id)).billed and await is_switched_on(conn)


async def is_switched_on(conn: Connection) -> bool:
    """Whether hours are charged on this panel."""
    return await value(conn, SWITCH) is True


async def _open_wallets(panel: Panel) -> None:
    async with panel.autocommit() as conn:
        unopened = await wallets.unopened(conn)
    for organization_id in unopened:
        async with panel.transaction() as conn:
            await open_wallet(conn, organization_id)


async def _settle_until(panel: Panel, organization_id: OrganizationId, until: datetime) -> None:
    while await _settle(panel, organization_id, until):
        pass


async def _settle(panel: Panel, organization_id: OrganizationId, until: datetime) -> bool:
    """Settle an organization's next hours, those that end by `until`; False if none is left."""
    async with panel.transaction() as conn:
        await wallets.lock(conn, organization_id)
        since = await usage.settled_until(conn, organization_id)
        end = min(until, since + MOST_AT_ONCE)
        if since >= end:
            return False
        await _record(conn, organization_id, since, end)
    return True


async def _record(conn: Connection, organization_id: OrganizationId, since: datetime, end: datetime) -> None:
    """Write down what an organization used between two times, and charge it for that."""
    used = billing.usage(await usage.spans(conn, organization_id, since, end), since, end)
    await usage.settle(conn, organization_id, end, used)
    if await is_charged(conn, organization_id):
        for hour, cost in billing.costs(used).items():
            if cost:
                await wallets.charge(conn, organization_id, hour, cost)


async def _correct(panel: Panel, organization_id: OrganizationId) -> None:
    """Look at an organization once more, alone with its wallet, and have its apps stop or run again."""
    async with panel.transaction() as conn:
        await wallets.lock(conn, organization_id)
        organization = await organizations.get(conn, organization_id)
        unpaid = _is_unpaid(organization, await wallets.balance(conn, organization_id), is_on=await is_switched_on(conn))
        if unpaid == organization.unpaid:
            return
        await organizations.set_unpaid(conn, organization_id, unpaid=unpaid)
        action = AuditAction.ORGANIZATION_SUSPEND if unpaid else AuditAction.ORGANIZATION_RESUME
        await audit.add(conn, action, organization_id=organization_id, details={"reason": Suspension.UNPAID})
    log.info("%s: %s", organization.name, "its wallet is empty" if unpaid else "its wallet can pay again")
    if not organization.held:
        await suspension.follow(panel, organization, (STOPPED if unpaid else STARTED).format(organization=organization.name))


def _is_unpaid(organization: Organization, balance: Decimal, *, is_on: bool) -> bool:
    return billing.is_unpaid(is_charged=is_on and organization.billed, balance=balance)
