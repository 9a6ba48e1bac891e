"""API tokens. Only their SHA-256 is kept, in hex."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import delete, func, insert, or_, select, update

from skypanel.domain.account import Account, Token
from skypanel.ports import Connection
from skypanel.store.accounts import COLUMNS, read
from skypanel.store.rows import Row, one
from skypanel.store.tables import accounts, tokens


async def add(conn: Connection, account_id: UUID, digest: str, description: str, scope: str, expires_at: datetime | None) -> Token:  # noqa: PLR0917 - all of a token
    """Add a token to an account; without `expires_at` it is good until it is revoked."""
    values = {"account_id": account_id, "digest": digest, "description": description, "scope": scope, "expires_at": expires_at}
    return _read(await one(conn, insert(tokens).values(values).returning(tokens)))


async def owner(conn: Connection, digest: str) -> tuple[Account, str] | None:
    """Return whose token this is and its scope, if it is still good, and note that it was used."""
    statement = (
        update(tokens)
        .where(tokens.c.digest == digest, or_(tokens.c.expires_at.is_(None), tokens.c.expires_at > func.now()))
        .where(accounts.c.id == tokens.c.account_id)
        .values(last_used_at=func.now())
        .returning(*COLUMNS, tokens.c.scope)
    )
    row = await conn.first(statement)
    return None if row is None else (read(row), row.scope)


async def of(conn: Connection, account_id: UUID) -> list[Token]:
    """Return an account's tokens, oldest first."""
    statement = select(tokens).where(tokens.c.account_id == account_id).order_by(tokens.c.created_at)
    return [_read(row) for row in await conn.all(statement)]


async def revoke(conn: Connection, account_id: UUID, token_id: UUID) -> bool:
    """Make a token of an account worthless; False if it has no such token."""
    return bool(await conn.execute(delete(tokens).where(tokens.c.id == token_id, tokens.c.account_id == account_id)))


def _read(row: Row) -> Token:
    return Token(row.id, row.account_id, row.description, row.scope, row.created_at, row.expires_at, row.last_used_at)
