"""API tokens. Only the SHA-256 of each is stored, in hex."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import bindparam, delete, func, insert, select, update

from skypanel.domain.account import Account, Token
from skypanel.domain.ids import AccountId, TokenId
from skypanel.domain.rate import COST, WINDOW
from skypanel.ports.database import Connection
from skypanel.store import expiry
from skypanel.store.accounts import COLUMNS, ENABLED, read
from skypanel.store.rows import Row, one
from skypanel.store.tables.accounts import accounts, tokens


@dataclass(frozen=True)
class Use:
    """One use of a token: its account, its scope, and how much of its rate limit is used up, this use included."""

    account: Account
    token_id: TokenId
    scope: str
    debt: timedelta


async def add(  # noqa: PLR0917 - the fields of a token
    conn: Connection, account_id: AccountId, digest: str, description: str, scope: str, expires_at: datetime | None
) -> Token:
    """Add a token to an account; without `expires_at` it is valid until it is revoked."""
    values = {"account_id": account_id, "digest": digest, "description": description, "scope": scope, "expires_at": expires_at}
    return _read(await one(conn, insert(tokens).values(values).returning(tokens)))


async def owner(conn: Connection, digest: str) -> tuple[Account, str] | None:
    """Return the account and scope of a valid token, or None, and record its use."""
    statement = (
        update(tokens)
        .where(tokens.c.digest == digest, expiry.valid(tokens))
        .where(accounts.c.id == tokens.c.account_id, ENABLED)
        .values(last_used_at=func.now())
        .returning(*COLUMNS, tokens.c.scope)
    )
    row = await conn.first(statement)
    return None if row is None else (read(row), row.scope)


async def use(conn: Connection, digest: str) -> Use | None:
    """Return the account of a valid token, or None, and count its use against the rate limit."""
    row = await conn.first(_USE, {"of": digest})
    return None if row is None else Use(read(row), row.token_id, row.scope, row.debt)


async def holder(conn: Connection, token_id: TokenId) -> tuple[Account, str] | None:
    """Return the account and scope of a valid token by its id, or None; this does not count as a use."""
    statement = select(*COLUMNS, tokens.c.scope).join(accounts, accounts.c.id == tokens.c.account_id)
    row = await conn.first(statement.where(tokens.c.id == token_id, expiry.valid(tokens), ENABLED))
    return None if row is None else (read(row), row.scope)


async def of(conn: Connection, account_id: AccountId) -> list[Token]:
    """Return an account's tokens, oldest first."""
    statement = select(tokens).where(tokens.c.account_id == account_id).order_by(tokens.c.created_at)
    return [_read(row) for row in await conn.all(statement)]


async def revoke(conn: Connection, account_id: AccountId, token_id: TokenId) -> bool:
    """Revoke an account's token; False if it has no such token."""
    return bool(await conn.execute(delete(tokens).where(tokens.c.id == token_id, tokens.c.account_id == account_id)))


def _read(row: Row) -> Token:
    return Token(row.id, row.account_id, row.description, row.scope, row.created_at, row.expires_at, row.last_used_at)


# A crash may lose the count and time of a use, so no caller waits for the disk.
_UNSYNCED = select(
    func.set_config("synchronous_commit", "off", True).label("synchronous_commit")  # noqa: FBT003 - SQL functions have no keywords
).cte("unsynced")
_USE = (
    update(tokens)
    .where(tokens.c.digest == bindparam("of"), expiry.valid(tokens), _UNSYNCED.c.synchronous_commit == "off")
    .where(accounts.c.id == tokens.c.account_id, ENABLED)
    .values(
        last_used_at=func.now(),
        busy_until=func.least(func.greatest(func.coalesce(tokens.c.busy_until, func.now()), func.now()) + COST, func.now() + WINDOW + COST),
    )
    .returning(*COLUMNS, tokens.c.id.label("token_id"), tokens.c.scope, (tokens.c.busy_until - func.now()).label("debt"))
)
