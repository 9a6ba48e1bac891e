"""Wallets of organizations: credits, and reports of usage."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from skypanel.domain.access import check_admin
from skypanel.domain.account import Account, Organization
from skypanel.domain.audit import AuditAction
from skypanel.domain.billing import Funds, WalletEntry
from skypanel.domain.errors import Invalid
from skypanel.domain.paging import PAGE_SIZE, Cursor, Page, page
from skypanel.flow import audit
from skypanel.flow import billing as billing_flow
from skypanel.ports.panel import Panel
from skypanel.store import organizations, wallets

MAX_NOTE_LENGTH = 200


@dataclass(frozen=True)
class Wallet:
    """A wallet: its balance, its newest entries, and whether it is charged."""

    organization: Organization
    balance: Decimal
    entries: Sequence[WalletEntry]
    is_charged: bool


async def show(panel: Panel, organization: Organization, limit: int) -> Wallet:
    """Return an organization's wallet with at most `limit` of its newest entries."""
    async with panel.autocommit() as conn:
        organization = await organizations.get(conn, organization.id)
        return Wallet(
            organization,
            await wallets.balance(conn, organization.id),
            await wallets.recent(conn, organization.id, limit),
            is_charged=await billing_flow.is_charged(conn, organization.id),
        )


@dataclass(frozen=True)
class Statement:
    """A wallet's funds, whether it is charged, whether that is low, and a page of its entries."""

    organization: Organization
    funds: Funds
    is_charged: bool
    is_low: bool
    entries: Page[WalletEntry]


async def statement(panel: Panel, organization: Organization, cursor: Cursor) -> Statement:
    """Return an organization's wallet with a page of its entries. Raises NotFound."""
    async with panel.autocommit() as conn:
        organization = await organizations.get(conn, organization.id)
        funds = await wallets.funds(conn, organization.id)
        return Statement(
            organization,
            funds,
            await billing_flow.is_charged(conn, organization.id),
            await billing_flow.is_low(conn, organization, funds),
            page(await wallets.page(conn, organization.id, cursor, PAGE_SIZE + 1), cursor),
        )


async def credit(panel: Panel, organization: Organization, amount: Decimal, note: str, by: Account) -> Decimal:
    """Add money to a wallet, or remove it if the amount is negative, and return the balance.

    Stopped apps run again as soon as the balance is positive. Raises Denied, Invalid, and NotFound for a deleted organization.
    """
    check_admin(by)
    if not amount:
        raise Invalid("The amount is 0.", "Give an amount, such as 12.50")
    if len(note) > MAX_NOTE_LENGTH:
        raise Invalid("The note is too long.", f"Use up to {MAX_NOTE_LENGTH} characters.")
    async with panel.transaction() as conn:
        await wallets.lock(conn, organization.id)
        await organizations.get(conn, organization.id)
        await wallets.credit(conn, organization.id, amount, note, by)
        await audit.record(conn, AuditAction.WALLET_CREDIT, by, organization=organization, amount=str(amount), note=note)
        left = await wallets.balance(conn, organization.id)
    await billing_flow.review(panel)
    return left


async def set_billed(panel: Panel, organization: Organization, by: Account, *, billed: bool) -> None:
    """Set whether an organization pays for its apps, from the current hour on. Raises Denied."""
    check_admin(by)
    async with panel.transaction() as conn:
        await organizations.set_billed(conn, organization.id, billed=billed)
        await audit.record(conn, AuditAction.WALLET_BILL, by, organization=organization, billed=billed)
    await billing_flow.review(panel)
