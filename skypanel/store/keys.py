"""SSH keys of accounts, which identify who pushes."""

from sqlalchemy import delete, func, select, update
from sqlalchemy.dialects.postgresql import insert

from skypanel.domain.account import Account, Key
from skypanel.domain.errors import Conflict
from skypanel.domain.ids import AccountId
from skypanel.ports.database import Connection
from skypanel.store.accounts import COLUMNS, ENABLED, read_if
from skypanel.store.rows import Row
from skypanel.store.tables.accounts import accounts, ssh_keys


async def add(conn: Connection, account_id: AccountId, public_key: str, fingerprint: str, name: str) -> Key:
    """Add a key to an account. Raises Conflict if any account has it."""
    key = insert(ssh_keys).values(account_id=account_id, public_key=public_key, fingerprint=fingerprint, name=name)
    row = await conn.first(key.on_conflict_do_nothing(index_elements=["fingerprint"]).returning(ssh_keys))
    if row is None:
        raise Conflict("This key is in use already, by another account.", "Remove it there, or make another one: `ssh-keygen -t ed25519`.")
    return _read(row)


async def get(conn: Connection, account_id: AccountId, fingerprint: str) -> Key | None:
    """Return an account's key with this fingerprint, or None."""
    row = await conn.first(select(ssh_keys).where(ssh_keys.c.account_id == account_id, ssh_keys.c.fingerprint == fingerprint))
    return None if row is None else _read(row)


async def of(conn: Connection, account_id: AccountId) -> list[Key]:
    """Return an account's keys, oldest first."""
    statement = select(ssh_keys).where(ssh_keys.c.account_id == account_id).order_by(ssh_keys.c.created_at)
    return [_read(row) for row in await conn.all(statement)]


async def remove(conn: Connection, account_id: AccountId, fingerprint: str) -> bool:
    """Remove an account's key; False if it has no such key."""
    return bool(await conn.execute(delete(ssh_keys).where(ssh_keys.c.account_id == account_id, ssh_keys.c.fingerprint == fingerprint)))


async def owner(conn: Connection, fingerprint: str) -> Account | None:
    """Return the account with this key, or None, and record the use of the key."""
    statement = (
        update(ssh_keys)
        .where(ssh_keys.c.fingerprint == fingerprint, accounts.c.id == ssh_keys.c.account_id, ENABLED)
        .values(last_used_at=func.now())
        .returning(*COLUMNS)
    )
    return read_if(await conn.first(statement))


def _read(row: Row) -> Key:
    return Key(row.id, row.account_id, row.fingerprint, row.public_key, row.name, row.created_at, row.last_used_at)
