"""One-time login links and sessions. Only the SHA-256 of each secret is stored, in hex."""

from datetime import datetime, timedelta

from sqlalchemy import Table, delete, func, insert, select, update

from skypanel.domain.account import Account
from skypanel.domain.ids import AccountId, SessionId
from skypanel.domain.session import Session
from skypanel.ports.database import Connection
from skypanel.store import expiry
from skypanel.store.accounts import COLUMNS, ENABLED, read_if
from skypanel.store.tables.accounts import accounts, login_links, sessions

# A session is marked as seen at most this often.
SEEN_EVERY = timedelta(minutes=1)


async def add_link(conn: Connection, account_id: AccountId, digest: str, expires_at: datetime) -> None:
    """Add a login link, and delete the account's expired links."""
    await _add(conn, login_links, account_id, digest, expires_at)


async def drop_links(conn: Connection, account_id: AccountId) -> None:
    """Delete an account's links, so that none works any more."""
    await conn.execute(delete(login_links).where(login_links.c.account_id == account_id))


async def use_link(conn: Connection, digest: str) -> Account | None:
    """Return the account of a valid link, or None, and delete the link."""
    statement = (
        delete(login_links)
        .where(login_links.c.digest == digest, expiry.valid(login_links))
        .where(accounts.c.id == login_links.c.account_id, ENABLED)
        .returning(*COLUMNS)
    )
    return read_if(await conn.first(statement))


async def add_session(  # noqa: PLR0917 - the fields of a session
    conn: Connection, account_id: AccountId, digest: str, expires_at: datetime, browser: str | None = None, address: str | None = None
) -> None:
    """Add a session, and delete the account's expired sessions. The account has signed in now."""
    await _add(conn, sessions, account_id, digest, expires_at, browser=browser, address=address)
    await conn.execute(update(accounts).where(accounts.c.id == account_id).values(signed_in_at=func.now()))


async def session(conn: Connection, digest: str) -> Account | None:
    """Return the account of a valid session, or None, and mark the session as seen."""
    is_old = sessions.c.last_seen_at < func.now() - SEEN_EVERY
    seen = update(sessions).where(sessions.c.digest == digest, is_old).values(last_seen_at=func.now()).returning(sessions.c.id)
    statement = (
        select(*COLUMNS)
        .add_cte(seen.cte("seen"))
        .join(sessions, sessions.c.account_id == accounts.c.id)
        .where(sessions.c.digest == digest, expiry.valid(sessions), ENABLED)
    )
    return read_if(await conn.first(statement))


async def of(conn: Connection, account_id: AccountId, this: str) -> list[Session]:
    """Return an account's valid sessions, the last seen first; `this` is the digest of the one that asks."""
    table = sessions
    statement = select(table).where(table.c.account_id == account_id, expiry.valid(table))
    return [
        Session(row.id, row.browser, row.address, row.created_at, row.last_seen_at, row.digest == this)
        for row in await conn.all(statement.order_by(table.c.last_seen_at.desc(), table.c.created_at.desc()))
    ]


async def end_one(conn: Connection, account_id: AccountId, session_id: SessionId) -> bool:
    """End an account's session by its id; False if it has no such session."""
    return bool(await conn.execute(delete(sessions).where(sessions.c.id == session_id, sessions.c.account_id == account_id)))


async def end_session(conn: Connection, digest: str) -> None:
    """End a session; one that has already ended is no error."""
    await conn.execute(delete(sessions).where(sessions.c.digest == digest))


async def end_sessions(conn: Connection, account_id: AccountId, *, but: str | None = None) -> int:
    """End an account's sessions, return how many, and delete its links; the session with the digest `but` stays."""
    await drop_links(conn, account_id)
    return await conn.execute(delete(sessions).where(sessions.c.account_id == account_id, sessions.c.digest.is_distinct_from(but)))


async def _add(conn: Connection, table: Table, account_id: AccountId, digest: str, expires_at: datetime, **more: str | None) -> None:
    await conn.execute(delete(table).where(table.c.account_id == account_id, expiry.expired(table)))
    await conn.execute(insert(table).values(account_id=account_id, digest=digest, expires_at=expires_at, **more))
