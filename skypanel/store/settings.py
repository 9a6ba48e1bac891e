"""What an administrator can change while the panel runs."""

from typing import Any
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import insert

from skypanel.ports import Connection
from skypanel.store.tables import settings

Value = Any  # whatever JSON can say


async def get(conn: Connection, key: str) -> Value | None:
    """Return a setting's value, or None where nobody set it."""
    row = await conn.first(select(settings.c.value).where(settings.c.key == key))
    return None if row is None else row.value


async def put(conn: Connection, key: str, value: Value, account_id: UUID | None) -> None:
    """Set a setting."""
    values = {"value": value, "secret": None, "updated_at": func.clock_timestamp(), "updated_by": account_id}
    await conn.execute(insert(settings).values(key=key, **values).on_conflict_do_update(index_elements=["key"], set_=values))


async def all(conn: Connection) -> dict[str, Value]:  # noqa: A001 - read as settings.all
    """Return every setting that was set, secret ones aside."""
    statement = select(settings.c.key, settings.c.value).where(settings.c.secret.is_(None)).order_by(settings.c.key)
    return {row.key: row.value for row in await conn.all(statement)}
