"""Whether anything has changed."""

from sqlalchemy import Text, cast, func, select

from skypanel.ports.database import Connection
from skypanel.store.rows import one

_STATE = select(cast(func.pg_current_snapshot(), Text).label("state"))


async def state(conn: Connection) -> str:
    """Return a text that is another one once anything in the database was changed by a transaction, which has ended since.

    It names the transactions that a reader sees
    (https://www.postgresql.org/docs/current/functions-info.html#FUNCTIONS-PG-SNAPSHOT-PARTS), so that what is read after it is
    what is still there while it is the same.
    """
    return str((await one(conn, _STATE)).state)
