"""Pages of statements, next to a cursor."""

from collections.abc import Sequence

from sqlalchemy import ColumnElement, Select

from skypanel.domain.paging import Cursor
from skypanel.ports.database import Connection
from skypanel.store.rows import Row


async def near(conn: Connection, statement: Select[Row], key: ColumnElement[int], cursor: Cursor, limit: int) -> Sequence[Row]:
    """Return up to `limit` rows next to the cursor, those with the largest key first."""
    if cursor.after is not None:
        rows = await conn.all(statement.where(key > cursor.after).order_by(key).limit(limit))
        return rows[::-1]
    if cursor.before is not None:
        statement = statement.where(key < cursor.before)
    return await conn.all(statement.order_by(key.desc()).limit(limit))
