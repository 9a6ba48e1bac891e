"""Attempts to sign in by password that failed or have not ended yet."""

from datetime import timedelta

from sqlalchemy import delete, func, insert, or_, select

from skypanel.domain.ids import AttemptId
from skypanel.domain.password import Attempts
from skypanel.ports.database import Connection
from skypanel.store import locks
from skypanel.store.rows import one
from skypanel.store.tables.accounts import sign_in_attempts


async def lately(conn: Connection, email_digest: str, address: str, window: timedelta) -> Attempts:
    """Count the attempts within a window, and delete older ones. Until the transaction ends, no other transaction can add any."""
    await locks.hold(conn, "sign-in attempts")
    table = sign_in_attempts
    await conn.execute(delete(table).where(table.c.at <= func.now() - window))
    same_account, same_address = table.c.email_digest == email_digest, table.c.address == address
    counts = select(
        func.count().filter(same_account, same_address).label("here"),
        func.count().filter(same_address).label("of_address"),
        func.count().filter(same_account).label("of_account"),
    ).where(or_(same_account, same_address))
    row = await one(conn, counts)
    return Attempts(row.here, row.of_address, row.of_account)


async def add(conn: Connection, email_digest: str, address: str) -> AttemptId:
    """Add an attempt and return its id."""
    values = {"email_digest": email_digest, "address": address}
    row = await one(conn, insert(sign_in_attempts).values(values).returning(sign_in_attempts.c.id))
    return AttemptId(int(row.id))


async def remove(conn: Connection, attempt_id: AttemptId) -> None:
    """Delete an attempt, because it succeeded."""
    await conn.execute(delete(sign_in_attempts).where(sign_in_attempts.c.id == attempt_id))
