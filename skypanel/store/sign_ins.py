"""One-time login links and sessions. Only the SHA-256 of each secret is stored, in hex."""

from datetime import datetime

from sqlalchemy import Table, delete, func, insert, select

from skypanel.domain.account import Account
from skypanel.domain.ids import AccountId
from skypanel.ports.database import Connection
from skypanel.store.accounts import COLUMNS, read_if
from skypanel.store.tables.accounts import accounts, login_links, sessions


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
        .where(login_links.c.digest == digest, login_links.c.expires_at > func.now())
        .where(accounts.c.id == login_links.c.account_id)
        .returning(*COLUMNS)
    )
    return read_if(await conn.first(statement))


async def add_session(conn: Connection, account_id: AccountId, digest: str, expires_at: datetime) -> None:
    """Add a session, and delete the account's expired sessions."""
    await _add(conn, sessions, account_id, digest, expires_at)


async def session(conn: Connection, digest: str) -> Account | None:
    """Return the account of a valid session, or None."""
    statement = (
        select(*COLUMNS)
        .join(sessions, sessions.c.account_id == accounts.c.id)
        .where(sessions.c.digest == digest, sessions.c.expires_at > func.now())
    )
    return read_if(await conn.first(statement))


async def end_session(conn: Connection, digest: str) -> None:
    """End a session; one that has already ended is no error."""
    await conn.execute(delete(sessions).where(sessions.c.digest == digest))


async def end_sessions(conn: Connection, account_id: AccountId, *, but: str | None = None) -> None:
    """End an account's sessions and delete its links; the session with the digest `but` stays."""
    await drop_links(conn, account_id)
    await conn.execute(delete(sessions).where(sessions.c.account_id == account_id, sessions.c.digest.is_distinct_from(but)))


async def _add(conn: Connection, table: Table, account_id: AccountId, digest: str, expires_at: datetime) -> None:
    await conn.execute(delete(table).where(table.c.account_id == account_id, table.c.expires_at <= func.now()))
    await conn.execute(insert(table).values(account_id=account_id, digest=digest, expires_at=expires_at))
