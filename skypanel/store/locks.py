"""Locks that last until the end of the transaction."""

from sqlalchemy import func, select

from skypanel.ports import Connection


async def hold(conn: Connection, name: str) -> None:
    """Wait until no other transaction holds the lock `name`, then hold it."""
    await conn.execute(select(func.pg_advisory_xact_lock(func.hashtextextended(name, 0))))
