"""One-time login links and sessions. Only the SHA-256 of each secret is stored, in hex."""

from datetime import datetime, timedelta

from sqlalchemy import Table, delete, func, insert, select, update

from skypanel.domain.account import Account
from skypanel.domain.ids import AccountId, SessionId
from skypanel.domain.session import Session
from skypanel.ports.database import Connection
from skypanel.store import expiry
from skypanel.store.accounts import COLUMNS, ENABLED, read_if
from skypanel.store.tables.accounts import accounts, address_changes, login_links, reset_links, sessions
from skypanel.store.tables.two_factor import pending_sign_ins

# A session is marked as seen at most this often.
SEEN_EVERY = timedelta(minutes=1)


async def add_link(conn: Connection, account_id: AccountId, digest: str, expires_at: datetime) -> None:
    """Add a login link, and delete the account's expired links."""
    await _add(conn, login_links, account_id, digest, expires_at)


async def drop_links(conn: Connection, account_id: AccountId) -> None:
    """Delete an account's links of all kinds, so that none works any more."""
    for table in (login_links, reset_links, address_changes):
        await conn.execute(delete(table).where(table.c.account_id == account_id))


async def use_link(conn: Connection, digest: str) -> Account | None:
    """Return the account of a valid login link, or None, and delete the link."""
    return await _use(conn, login_links, digest)


async def add_reset_link(conn: Connection, account_id: AccountId, digest: str, expires_at: datetime) -> None:
    """Add a link that sets a password, and delete the account's expired ones."""
    await _add(conn, reset_links, account_id, digest, expires_at)


async def use_reset_link(conn: Connection, digest: str) -> Account | None:
    """Return the account of a valid link that sets a password, or None, and delete the link."""
    return await _use(conn, reset_links, digest)


async def add_address_change(conn: Connection, account_id: AccountId, digest: str, expires_at: datetime, email: str) -> None:
    """Add an address to confirm, in place of the account's earlier ones."""
    await conn.execute(delete(address_changes).where(address_changes.c.account_id == account_id))
    await _add(conn, address_changes, account_id, digest, expires_at, email=email)


async def use_address_change(conn: Connection, account_id: AccountId, digest: str) -> str | None:
    """Return the address that a valid link of an account confirms, or None, and delete the link."""
    table = address_changes
    is_good = (table.c.digest == digest, table.c.account_id == account_id, expiry.valid(table))
    row = await conn.first(delete(table).where(*is_good).returning(table.c.email))
    return None if row is None else str(row.email)


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
    """End an account's sessions, return how many, and delete its links; the session with the digest `but` stays.

    Sign-ins that wait for a second factor end too.
    """
    await drop_links(conn, account_id)
    await conn.execute(delete(pending_sign_ins).where(pending_sign_ins.c.account_id == account_id))
    return await conn.execute(delete(sessions).where(sessions.c.account_id == account_id, sessions.c.digest.is_distinct_from(but)))


async def _use(conn: Connection, table: Table, digest: str) -> Account | None:
    statement = (
        delete(table)
        .where(table.c.digest == digest, expiry.valid(table))
        .where(accounts.c.id == table.c.account_id, ENABLED)
        .returning(*COLUMNS)
    )
    return read_if(await conn.first(statement))


async def _add(conn: Connection, table: Table, account_id: AccountId, digest: str, expires_at: datetime, **more: str | None) -> None:
    await conn.execute(delete(table).where(table.c.account_id == account_id, expiry.expired(table)))
    await conn.execute(insert(table).values(account_id=account_id, digest=digest, expires_at=expires_at, **more))
