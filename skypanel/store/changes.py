"""A cheap check for changes in the database."""

from sqlalchemy import Text, cast, func, select

from skypanel.ports.database import Connection
from skypanel.store.rows import one

_STATE = select(cast(func.pg_current_snapshot(), Text).label("state"))


async def state(conn: Connection) -> str:
    """Return a text that changes whenever a transaction that changed the database has ended.

    It identifies the transactions that a reader sees
    (https://www.postgresql.org/docs/current/functions-info.html#FUNCTIONS-PG-SNAPSHOT-PARTS). Read it before the data: while it stays the
    same, that data is up to date.
    """
    return str((await one(conn, _STATE)).state)
