"""Secrets of apps that make codes, recovery codes, and sign-ins that wait for a code."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import delete, func, insert, select, update
from sqlalchemy.dialects.postgresql import insert as insert_or_update

from skypanel.domain.account import Account
from skypanel.domain.ids import AccountId
from skypanel.ports.database import Connection
from skypanel.store import expiry
from skypanel.store.accounts import COLUMNS, ENABLED, read_if
from skypanel.store.tables.accounts import accounts
from skypanel.store.tables.two_factor import pending_sign_ins, recovery_codes, totp_secrets


@dataclass(frozen=True)
class Stored:
    """An account's encrypted secret, and since when it counts; before that it waits for its first code."""

    secret: bytes
    since: datetime | None


async def get(conn: Connection, account_id: AccountId) -> Stored | None:
    """Return an account's secret, or None."""
    row = await conn.first(select(totp_secrets).where(totp_secrets.c.account_id == account_id))
    return None if row is None else Stored(bytes(row.secret), row.confirmed_at)


async def put(conn: Connection, account_id: AccountId, secret: bytes) -> bool:
    """Store a secret that waits for its first code, in place of another that waits; False if the account has one that counts."""
    values = {"secret": secret, "last_step": 0}
    statement = insert_or_update(totp_secrets).values(account_id=account_id, **values)
    replaced = statement.on_conflict_do_update(index_elements=["account_id"], set_=values, where=totp_secrets.c.confirmed_at.is_(None))
    return bool(await conn.execute(replaced))


async def confirm(conn: Connection, account_id: AccountId) -> None:
    """Let an account's secret count from now on."""
    await conn.execute(update(totp_secrets).where(totp_secrets.c.account_id == account_id).values(confirmed_at=func.now()))


async def use_step(conn: Connection, account_id: AccountId, step: int) -> bool:
    """Use up the codes until a time step; False if that one is used up already."""
    table = totp_secrets
    is_newer = (table.c.account_id == account_id, table.c.last_step < step)
    return bool(await conn.execute(update(table).where(*is_newer).values(last_step=step)))


async def remove(conn: Connection, account_id: AccountId) -> bool:
    """Remove an account's secret and recovery codes; False if it has no secret."""
    await conn.execute(delete(recovery_codes).where(recovery_codes.c.account_id == account_id))
    return bool(await conn.execute(delete(totp_secrets).where(totp_secrets.c.account_id == account_id)))


async def replace_codes(conn: Connection, account_id: AccountId, digests: Collection[str]) -> None:
    """Replace an account's recovery codes."""
    await conn.execute(delete(recovery_codes).where(recovery_codes.c.account_id == account_id))
    await conn.execute(insert(recovery_codes).values([{"account_id": account_id, "digest": digest} for digest in digests]))


async def use_code(conn: Connection, account_id: AccountId, digest: str) -> bool:
    """Use up a recovery code; False if the account has no such code."""
    table = recovery_codes
    return bool(await conn.execute(delete(table).where(table.c.account_id == account_id, table.c.digest == digest)))


async def count_codes(conn: Connection, account_id: AccountId) -> int:
    """Return how many recovery codes an account has left."""
    row = await conn.first(select(func.count().label("count")).where(recovery_codes.c.account_id == account_id))
    return int(row.count) if row is not None else 0


async def add_pending(conn: Connection, account_id: AccountId, digest: str, expires_at: datetime) -> None:
    """Add a sign-in that waits for a code, and delete the account's expired ones."""
    table = pending_sign_ins
    await conn.execute(delete(table).where(table.c.account_id == account_id, expiry.expired(table)))
    await conn.execute(insert(table).values(account_id=account_id, digest=digest, expires_at=expires_at))


async def pending(conn: Connection, digest: str) -> Account | None:
    """Return the account of a sign-in that waits for a code, or None."""
    table = pending_sign_ins
    statement = select(*COLUMNS).join(table, table.c.account_id == accounts.c.id)
    return read_if(await conn.first(statement.where(table.c.digest == digest, expiry.valid(table), ENABLED)))


async def end_pending(conn: Connection, account_id: AccountId) -> None:
    """Delete an account's sign-ins that wait for a code."""
    await conn.execute(delete(pending_sign_ins).where(pending_sign_ins.c.account_id == account_id))


async def secrets(conn: Connection) -> dict[AccountId, bytes]:
    """Return the encrypted secrets of all accounts."""
    rows = await conn.all(select(totp_secrets.c.account_id, totp_secrets.c.secret))
    return {AccountId(row.account_id): bytes(row.secret) for row in rows}


async def replace_secret(conn: Connection, account_id: AccountId, old: bytes, new: bytes) -> None:
    """Replace a secret with the same one under another key, unless it has changed in the meantime."""
    table = totp_secrets
    await conn.execute(update(table).where(table.c.account_id == account_id, table.c.secret == old).values(secret=new))
