"""Settings, which administrators change while the panel runs."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import delete, func, literal, null, select, update
from sqlalchemy.dialects.postgresql import JSONB, insert

from skypanel.domain.ids import AccountId
from skypanel.ports.database import Connection
from skypanel.store import locks
from skypanel.store.tables.settings import settings

Value = Any  # any JSON value


async def get(conn: Connection, key: str) -> Value | None:
    """Return a setting's value, or None if it is not set."""
    row = await conn.first(select(settings.c.value).where(settings.c.key == key))
    return None if row is None else row.value


async def put(conn: Connection, key: str, value: Value, account_id: AccountId | None) -> None:
    """Set a setting."""
    await _put(conn, key, {"value": value, "secret": None, "updated_by": account_id})


async def put_secret(conn: Connection, key: str, secret: bytes, account_id: AccountId | None) -> None:
    """Set a setting to an encrypted value."""
    await _put(conn, key, {"value": null(), "secret": secret, "updated_by": account_id})


async def add_missing(conn: Connection, values: Mapping[str, Value]) -> None:
    """Set those of these settings that have no value."""
    given = func.jsonb_each(literal(dict(values), JSONB)).table_valued("key", "value")
    missing = insert(settings).from_select(["key", "value"], select(given.c.key, given.c.value))
    await conn.execute(missing.on_conflict_do_nothing())


async def remove(conn: Connection, key: str) -> bool:
    """Remove a setting; False if it was not set."""
    return bool(await conn.execute(delete(settings).where(settings.c.key == key)))


async def all(conn: Connection) -> dict[str, Value]:  # noqa: A001 - callers write settings.all
    """Return all settings that are set, without the secret ones."""
    statement = select(settings.c.key, settings.c.value).where(settings.c.secret.is_(None)).order_by(settings.c.key)
    return {row.key: row.value for row in await conn.all(statement)}


async def secrets(conn: Connection) -> dict[str, bytes]:
    """Return the encrypted values of secret settings."""
    rows = await conn.all(select(settings.c.key, settings.c.secret).where(settings.c.secret.is_not(None)))
    return {row.key: bytes(row.secret) for row in rows}


async def replace_secret(conn: Connection, key: str, old: bytes, new: bytes) -> None:
    """Replace an encrypted value with the same value under another key, unless it has changed in the meantime."""
    await conn.execute(update(settings).where(settings.c.key == key, settings.c.secret == old).values(secret=new))


async def set_at(conn: Connection, key: str) -> datetime | None:
    """Return the time of the last change of a setting, or None if it is not set."""
    row = await conn.first(select(settings.c.updated_at).where(settings.c.key == key))
    return None if row is None else row.updated_at


async def lock(conn: Connection) -> None:
    """Until the transaction ends, no other transaction can change settings."""
    await locks.hold(conn, "settings")


async def _put(conn: Connection, key: str, values: dict[str, Value]) -> None:
    values["updated_at"] = func.clock_timestamp()
    await conn.execute(insert(settings).values(key=key, **values).on_conflict_do_update(index_elements=["key"], set_=values))
