"""Passkeys of accounts."""

from datetime import datetime

from sqlalchemy import delete, func, insert, select, update
from sqlalchemy.dialects.postgresql import insert as insert_once

from skypanel.domain.account import Account
from skypanel.domain.errors import Conflict
from skypanel.domain.ids import AccountId, PasskeyId
from skypanel.domain.passkey import Credential, Passkey
from skypanel.ports.database import Connection
from skypanel.store import expiry
from skypanel.store.accounts import COLUMNS, read
from skypanel.store.rows import Row, one
from skypanel.store.tables.accounts import accounts
from skypanel.store.tables.two_factor import passkeys, used_challenges


async def add(conn: Connection, account_id: AccountId, credential: Credential, name: str) -> Passkey:
    """Add a passkey. Raises Conflict if any account has it."""
    values = {"credential": credential.id, "public_key": credential.public_key, "sign_count": credential.sign_count, "name": name}
    try:
        return _read(await one(conn, insert(passkeys).values(account_id=account_id, **values).returning(passkeys)))
    except Conflict as error:
        raise Conflict("This passkey is in use already.", "Use another one, or remove it first.") from error


async def of(conn: Connection, account_id: AccountId) -> list[Passkey]:
    """Return an account's passkeys, oldest first."""
    statement = select(passkeys).where(passkeys.c.account_id == account_id).order_by(passkeys.c.created_at)
    return [_read(row) for row in await conn.all(statement)]


async def by_credential(conn: Connection, credential_id: bytes) -> tuple[Account, Passkey] | None:
    """Return the passkey with this credential and its account, or None. It is locked until the transaction ends."""
    statement = select(passkeys).where(passkeys.c.credential == credential_id).with_for_update()
    row = await conn.first(statement)
    if row is None:
        return None
    return read(await one(conn, select(*COLUMNS).where(accounts.c.id == row.account_id))), _read(row)


async def note_use(conn: Connection, passkey_id: PasskeyId, sign_count: int) -> None:
    """Record a use of a passkey, and how often it has signed by now."""
    values = {"sign_count": sign_count, "last_used_at": func.now()}
    await conn.execute(update(passkeys).where(passkeys.c.id == passkey_id).values(values))


async def remove(conn: Connection, account_id: AccountId, passkey_id: PasskeyId) -> bool:
    """Remove an account's passkey; False if it has no such passkey."""
    return bool(await conn.execute(delete(passkeys).where(passkeys.c.id == passkey_id, passkeys.c.account_id == account_id)))


async def remove_all(conn: Connection, account_id: AccountId) -> int:
    """Remove all passkeys of an account, and return how many."""
    return await conn.execute(delete(passkeys).where(passkeys.c.account_id == account_id))


async def use_challenge(conn: Connection, digest: str, expires_at: datetime) -> bool:
    """Use up a challenge until it expires; False if it is used up already."""
    await conn.execute(delete(used_challenges).where(expiry.expired(used_challenges)))
    return bool(await conn.execute(insert_once(used_challenges).values(digest=digest, expires_at=expires_at).on_conflict_do_nothing()))


def _read(row: Row) -> Passkey:
    credential = Credential(bytes(row.credential), bytes(row.public_key), row.sign_count)
    return Passkey(row.id, row.account_id, credential, row.name, row.created_at, row.last_used_at)
