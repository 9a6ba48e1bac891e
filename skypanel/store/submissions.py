"""Forms that were sent, by the digest of their idempotency key."""

from datetime import datetime

from sqlalchemy import delete, func, select, update
from sqlalchemy.dialects.postgresql import insert

from skypanel.domain.submission import Submission
from skypanel.ports.database import Connection
from skypanel.store.tables.submissions import submissions


async def begin(conn: Connection, digest: str) -> bool:
    """Record that a form is being handled; False if it was sent before."""
    return bool(await conn.execute(insert(submissions).values(digest=digest).on_conflict_do_nothing()))


async def get(conn: Connection, digest: str) -> Submission | None:
    """Return what became of a form, or None if it was never sent or failed."""
    row = await conn.first(select(submissions).where(submissions.c.digest == digest))
    return None if row is None else Submission(row.finished_at is not None, row.location, row.message)


async def finish(conn: Connection, digest: str, location: str | None, message: str | None) -> None:
    """Record where the answer led, and what it said."""
    values = {"finished_at": func.now(), "location": location, "message": message}
    await conn.execute(update(submissions).where(submissions.c.digest == digest).values(values))


async def forget(conn: Connection, digest: str) -> None:
    """Forget a form that failed, so that it can be sent again."""
    await conn.execute(delete(submissions).where(submissions.c.digest == digest))


async def sweep(conn: Connection, before: datetime) -> None:
    """Delete forms that were sent before then."""
    await conn.execute(delete(submissions).where(submissions.c.created_at < before))
