"""Billing, every hour: record and charge usage, stop the apps of organizations with an empty wallet, and warn of low ones.

All of it is idempotent, safe to interrupt, and safe to run concurrently. One transaction records an hour, charges it and marks it as
settled. Which apps should stop or run is decided again each time.
"""

import logging
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime, timedelta
from decimal import Decimal
from functools import partial
from typing import Protocol

from skypanel.domain import billing, mails
from skypanel.domain.access import Role
from skypanel.domain.account import Organization
from skypanel.domain.audit import AuditAction
from skypanel.domain.errors import NotFound
from skypanel.domain.ids import OrganizationId
from skypanel.domain.mail import Mail
from skypanel.domain.notification import Notification
from skypanel.domain.suspension import Suspension
from skypanel.flow import notifications, suspension
from skypanel.flow.configured import value
from skypanel.ports.database import Connection
from skypanel.ports.panel import Panel
from skypanel.store import audit, organizations, usage, wallets

# What one transaction settles at most; after a long downtime there are several.
MOST_AT_ONCE = timedelta(days=7)
SWITCH, STARTING_CREDIT, CURRENCY, LOW_HOURS = "billing", "starting_credit", "currency", "wallet_low_hours"

STOPPED = "Stopped: the wallet of {organization} is empty. Add credit to run the app again."
STARTED = "Running again: the wallet of {organization} has credit."

log = logging.getLogger(__name__)


class Money(Protocol):
    """Formats amounts in the panel's currency."""

    def __call__(self, amount: Decimal, *, decimals: int = billing.DECIMALS) -> str:
        """Return an amount as people read it."""


async def bill(panel: Panel) -> None:
    """Open new wallets, settle all hours that have ended, and review all organizations."""
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
        with suppress(NotFound):  # it was deleted in the meantime
            await _settle_until(panel, organization_id, until)
    await review(panel)


async def review(panel: Panel) -> None:
    """Stop the apps of organizations that cannot pay, start those of organizations that can again, and warn owners of low wallets.

    Opens new wallets first, so that no organization stops for lack of its starting credit.
    """
    await _open_wallets(panel)
    async with panel.autocommit() as conn:
        is_on, hours, found = await is_switched_on(conn), await _low_hours(conn), await wallets.funds_of_all(conn)
    for organization, funds in found:
        with suppress(NotFound):  # it was deleted in the meantime
            if _is_unpaid(organization, funds.balance, is_on=is_on) != organization.unpaid:
                await _correct(panel, organization.id)
            if _is_low(organization, funds, hours, is_on=is_on) != funds.is_warned:
                await _warn(panel, organization.id)


async def open_wallet(conn: Connection, organization_id: OrganizationId) -> None:
    """Add the starting credit to a wallet, unless it has one already."""
    await wallets.lock(conn, organization_id)
    await wallets.open_(conn, organization_id, Decimal(str(await value(conn, STARTING_CREDIT))))


async def settle(panel: Panel, organization_id: OrganizationId) -> None:
    """Settle the hours of an organization that have ended. Raises NotFound."""
    async with panel.transaction() as conn:
        until = billing.hour_of(await usage.now(conn))
    async with panel.transaction() as conn:
        await usage.await_changes(conn)
    await _settle_until(panel, organization_id, until)


async def close(conn: Connection, organization_id: OrganizationId) -> Decimal:
    """Settle an organization including the current partial hour, and return its balance. Raises NotFound.

    Use it only in the transaction that deletes the organization: otherwise the hour would be settled twice.
    """
    await wallets.lock(conn, organization_id)
    await _record(conn, organization_id, await usage.settled_until(conn, organization_id), await usage.now(conn))
    return await wallets.balance(conn, organization_id)


async def is_charged(conn: Connection, organization_id: OrganizationId) -> bool:
    """Whether an organization's wallet is charged. Raises NotFound."""
    return (await organizations.get(conn, organization_id)).billed and await is_switched_on(conn)


async def is_low(conn: Connection, organization: Organization, funds: billing.Funds) -> bool:
    """Whether an organization's wallet is charged, and lasts for less than the settings want."""
    return _is_low(organization, funds, await _low_hours(conn), is_on=await is_switched_on(conn))


async def is_on(panel: Panel) -> bool:
    """Whether billing is on for this panel."""
    async with panel.autocommit() as conn:
        return await is_switched_on(conn)


async def is_switched_on(conn: Connection) -> bool:
    """Whether billing is on for this panel."""
    return await value(conn, SWITCH) is True


async def formatter(panel: Panel) -> Money:
    """Return `domain.billing.money` for the currency of the settings."""
    async with panel.autocommit() as conn:
        return partial(billing.money, currency=str(await value(conn, CURRENCY)))


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
    """Settle an organization's next hours, up to `until`; False if there are none left."""
    async with panel.transaction() as conn:
        await wallets.lock(conn, organization_id)
        since = await usage.settled_until(conn, organization_id)
        end = min(until, since + MOST_AT_ONCE)
        if since >= end:
            return False
        await _record(conn, organization_id, since, end)
    return True


async def _record(conn: Connection, organization_id: OrganizationId, since: datetime, end: datetime) -> None:
    """Record and charge what an organization used between two times."""
    costs = await usage.settle(conn, organization_id, since, end)
    if await is_charged(conn, organization_id):
        for hour, cost in costs:
            if cost:
                await wallets.charge(conn, organization_id, hour, cost)


async def _correct(panel: Panel, organization_id: OrganizationId) -> None:
    """Check an organization again, under the lock of its wallet, then stop or start its apps."""
    async with panel.transaction() as conn:
        await wallets.lock(conn, organization_id)
        organization = await organizations.get(conn, organization_id)
        unpaid = _is_unpaid(organization, await wallets.balance(conn, organization_id), is_on=await is_switched_on(conn))
        if unpaid == organization.unpaid:
            return
        await organizations.set_unpaid(conn, organization_id, unpaid=unpaid)
        action = AuditAction.ORGANIZATION_SUSPEND if unpaid else AuditAction.ORGANIZATION_RESUME
        await audit.add(conn, action, organization_id=organization_id, details={"reason": Suspension.UNPAID})
        if unpaid:
            await _tell(panel, conn, organization)
    log.info("%s: %s", organization.name, "its wallet is empty" if unpaid else "its wallet can pay again")
    if not organization.held:
        await suspension.follow(panel, organization, (STOPPED if unpaid else STARTED).format(organization=organization.name))


async def _warn(panel: Panel, organization_id: OrganizationId) -> None:
    """Check an organization again, under the lock of its wallet, then tell its owners that this is low, or note that it no longer is."""
    async with panel.transaction() as conn:
        await wallets.lock(conn, organization_id)
        organization, funds = await organizations.get(conn, organization_id), await wallets.funds(conn, organization_id)
        warned = await is_low(conn, organization, funds)
        if warned == funds.is_warned:
            return
        await wallets.set_warned(conn, organization_id, warned=warned)
        if warned:
            url, left = _url(panel, organization), funds.hours_left or 0
            await _send(panel, conn, organization, Notification.WALLET_LOW, lambda to: mails.wallet_low(to, organization.name, left, url))


async def _tell(panel: Panel, conn: Connection, organization: Organization) -> None:
    """Tell the owners of an organization that its apps stop."""
    url = _url(panel, organization)
    await _send(panel, conn, organization, Notification.APPS_STOPPED, lambda to: mails.apps_stopped(to, organization.name, url))


async def _send(panel: Panel, conn: Connection, organization: Organization, kind: Notification, written: Callable[[str], Mail]) -> None:
    owners = [member.account.id for member in await organizations.members(conn, organization.id) if member.role is Role.OWNER]
    await notifications.send(panel, conn, kind, owners, written)


def _url(panel: Panel, organization: Organization) -> str:
    return f"{panel.address.dashboard_url().rstrip('/')}/organizations/{organization.id}/billing"


async def _low_hours(conn: Connection) -> int:
    return int(await value(conn, LOW_HOURS))


def _is_unpaid(organization: Organization, balance: Decimal, *, is_on: bool) -> bool:
    return billing.is_unpaid(is_charged=is_on and organization.billed, balance=balance)


def _is_low(organization: Organization, funds: billing.Funds, hours: int, *, is_on: bool) -> bool:
    return is_on and organization.billed and funds.is_low(hours)
