"""Wallets: lists of entries that never change. The last entry has the balance."""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal

from sqlalchemy import Select, func, select, update
from sqlalchemy.dialects.postgresql import insert

from skypanel.domain.account import Account, Organization
from skypanel.domain.billing import EntryKind, Funds, WalletEntry
from skypanel.domain.ids import OrganizationId
from skypanel.domain.paging import Cursor
from skypanel.ports.database import Connection
from skypanel.store import locks, pages
from skypanel.store.rows import Row, found, one
from skypanel.store.tables.billing import INCOME, OPEN_SPAN, OPENING, usage_spans, wallet_entries
from skypanel.store.tables.organizations import organizations

# For each organization of a statement: its balance, and all its charges so far. The charges are its income minus its balance, so that years
# of hourly entries need not be read.
_OWN = wallet_entries.c.organization_id == organizations.c.id
LEFT = func.coalesce(select(wallet_entries.c.balance).where(_OWN).order_by(wallet_entries.c.id.desc()).limit(1).scalar_subquery(), 0)
COST = func.coalesce(
    select(func.sum(usage_spans.c.quantity * usage_spans.c.hourly_price))
    .where(usage_spans.c.organization_id == organizations.c.id, OPEN_SPAN)
    .scalar_subquery(),
    0,
)
_FUNDS = select(organizations, LEFT.label("balance"), COST.label("hourly_cost"))
CHARGED = func.coalesce(select(func.sum(wallet_entries.c.amount)).where(_OWN, INCOME).scalar_subquery(), 0) - LEFT


async def lock(conn: Connection, organization_id: OrganizationId) -> None:
    """Until the transaction ends, no other transaction can use a wallet. Code that adds an entry must hold this lock."""
    await locks.hold(conn, f"wallet {organization_id}")


async def balance(conn: Connection, organization_id: OrganizationId) -> Decimal:
    """Return the balance."""
    row = await conn.first(_newest(organization_id).limit(1))
    return Decimal(0) if row is None else Decimal(row.balance)


async def recent(conn: Connection, organization_id: OrganizationId, limit: int) -> list[WalletEntry]:
    """Return the newest entries, newest first."""
    return [_read(row) for row in await conn.all(_newest(organization_id).limit(limit))]


async def page(conn: Connection, organization_id: OrganizationId, cursor: Cursor, limit: int) -> list[WalletEntry]:
    """Return up to `limit` entries next to the cursor, newest first."""
    own = select(wallet_entries).where(wallet_entries.c.organization_id == organization_id)
    return [_read(row) for row in await pages.near(conn, own, wallet_entries.c.id, cursor, limit)]


async def open_(conn: Connection, organization_id: OrganizationId, amount: Decimal) -> bool:
    """Add the opening credit; False if the wallet has one already."""
    return await _add(conn, organization_id, EntryKind.OPENING, amount)


async def credit(conn: Connection, organization_id: OrganizationId, amount: Decimal, note: str, by: Account) -> None:
    """Add money to a wallet; a negative amount removes money."""
    await _add(conn, organization_id, EntryKind.CREDIT, amount, note=note, account_id=by.id, email=by.email)


async def charge(conn: Connection, organization_id: OrganizationId, hour: datetime, amount: Decimal) -> bool:
    """Charge the cost of an hour; False if that hour was charged already."""
    return await _add(conn, organization_id, EntryKind.CHARGE, -amount, hour=hour)


async def unopened(conn: Connection) -> list[OrganizationId]:
    """Return the organizations whose wallet was never opened."""
    opened = select(wallet_entries.c.id).where(wallet_entries.c.organization_id == organizations.c.id, OPENING)
    return [row.id for row in await conn.all(select(organizations.c.id).where(~opened.exists()).order_by(organizations.c.created_at))]


async def funds_of_all(conn: Connection) -> Sequence[tuple[Organization, Funds]]:
    """Return every organization with its funds."""
    rows = await conn.all(_FUNDS.order_by(organizations.c.id))
    return [(Organization(row.id, row.name, row.billed, row.unpaid, row.held), _funds(row)) for row in rows]


async def funds(conn: Connection, organization_id: OrganizationId) -> Funds:
    """Return the funds of an organization. Raises NotFound."""
    return _funds(await found(conn, _FUNDS.where(organizations.c.id == organization_id), "organization"))


async def set_warned(conn: Connection, organization_id: OrganizationId, *, warned: bool) -> None:
    """Set whether the owners of an organization were told that its wallet is low."""
    await conn.execute(update(organizations).where(organizations.c.id == organization_id).values(warned=warned))


async def total(conn: Connection) -> Decimal:
    """Return what the wallets of all organizations that pay hold together."""
    statement = select(func.coalesce(func.sum(LEFT), 0).label("total")).select_from(organizations).where(organizations.c.billed)
    return Decimal((await one(conn, statement)).total)


async def _add(conn: Connection, organization_id: OrganizationId, kind: EntryKind, amount: Decimal, **values: object) -> bool:
    left = await balance(conn, organization_id) + amount
    line = insert(wallet_entries).values(organization_id=organization_id, kind=kind, amount=amount, balance=left, **values)
    return bool(await conn.execute(line.on_conflict_do_nothing()))


def _newest(organization_id: OrganizationId) -> Select[Row]:
    return select(wallet_entries).where(wallet_entries.c.organization_id == organization_id).order_by(wallet_entries.c.id.desc())


def _funds(row: Row) -> Funds:
    return Funds(Decimal(row.balance), Decimal(row.hourly_cost), row.warned)


def _read(row: Row) -> WalletEntry:
    return WalletEntry(row.id, row.at, EntryKind(row.kind), row.amount, row.balance, row.hour, row.note, row.email)
