"""Who can sign in."""

from collections.abc import Collection
from uuid import UUID

from sqlalchemy import insert, select, update

from skypanel.domain.account import Account
from skypanel.domain.errors import Conflict
from skypanel.ports import Connection
from skypanel.store.rows import Row, found, one
from skypanel.store.tables import accounts

COLUMNS = (accounts.c.id, accounts.c.email, accounts.c.is_admin)


async def add(conn: Connection, email: str, *, is_admin: bool = False) -> Account:
    """Add an account. Raises Conflict if the address has one; letter case makes no difference."""
    statement = insert(accounts).values(email=email.lower(), is_admin=is_admin).returning(*COLUMNS)
    try:
        return read(await one(conn, statement))
    except Conflict as error:
        raise Conflict(f"{email} has an account already.", "Sign in with it.") from error


async def get(conn: Connection, account_id: UUID) -> Account:
    """Return an account. Raises NotFound."""
    return read(await found(conn, select(*COLUMNS).where(accounts.c.id == account_id), "account"))


async def by_email(conn: Connection, email: str) -> Account | None:
    """Return the account of an address, if it has one."""
    return read_if(await conn.first(select(*COLUMNS).where(accounts.c.email == email.lower())))


async def admins(conn: Connection) -> list[Account]:
    """Return the platform's administrators, oldest first."""
    statement = select(*COLUMNS).where(accounts.c.is_admin).order_by(accounts.c.created_at)
    return [read(row) for row in await conn.all(statement)]


async def credentials(conn: Connection, email: str) -> tuple[Account | None, str | None]:
    """Return the account of an address and what is kept of its password, if there are any."""
    row = await conn.first(select(*COLUMNS, accounts.c.password_hash).where(accounts.c.email == email.lower()))
    return read_if(row), row and row.password_hash


async def set_password_hash(conn: Connection, account_id: UUID, hashed: str) -> None:
    """Keep another password's hash."""
    await conn.execute(update(accounts).where(accounts.c.id == account_id).values(password_hash=hashed))


async def emails(conn: Connection, account_ids: Collection[UUID]) -> dict[UUID, str]:
    """Return the addresses of some accounts, by id; those that are not there are left out."""
    rows = await conn.all(select(accounts.c.id, accounts.c.email).where(accounts.c.id.in_(account_ids)))
    return {row.id: row.email for row in rows}


def read(row: Row) -> Account:
    """Return the account that a row of COLUMNS holds."""
    return Account(row.id, row.email, row.is_admin)


def read_if(row: Row | None) -> Account | None:
    """Return the account that a row holds, if there is a row."""
    return None if row is None else read(row)
