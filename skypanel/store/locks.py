"""Advisory locks, held until the transaction ends."""

from sqlalchemy import BigInteger, ColumnElement, func, select

from skypanel.ports.database import Connection


async def hold(conn: Connection, name: str) -> None:
    """Wait until no other transaction holds the lock `name`, then hold it."""
    await conn.execute(select(func.pg_advisory_xact_lock(_number(name))))


def held_now(name: ColumnElement[str]) -> ColumnElement[bool]:
    """Try to acquire the lock of a row; false if another transaction holds it."""
    return func.pg_try_advisory_xact_lock(_number(name))


def _number(name: str | ColumnElement[str]) -> ColumnElement[int]:
    return func.hashtextextended(name, 0, type_=BigInteger)
