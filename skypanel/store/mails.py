"""Mails that wait for a worker. Each is encrypted, because it may contain a link that signs somebody in."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import case, delete, func, insert, select, update

from skypanel.domain.ids import MailId
from skypanel.ports.database import Connection
from skypanel.store.tables.mails import mails


@dataclass(frozen=True)
class Waiting:
    """A mail that is due, and how often it was tried before."""

    id: MailId
    secret: bytes
    attempts: int


async def add(conn: Connection, secret: bytes) -> None:
    """Add a mail, which is due at once."""
    await conn.execute(insert(mails).values(secret=secret))


async def claim(conn: Connection, pauses: Sequence[timedelta]) -> Waiting | None:
    """Return the next mail that is due, or None. It is due again after the pause for the number of its attempts."""
    due = select(mails.c.id).where(mails.c.due_at <= func.now()).order_by(mails.c.due_at).limit(1).with_for_update(skip_locked=True)
    pause = case(*((mails.c.attempts == number, each) for number, each in enumerate(pauses)), else_=pauses[-1])
    values = {"due_at": func.now() + pause, "attempts": mails.c.attempts + 1}
    claimed = update(mails).where(mails.c.id == due.scalar_subquery()).values(values)
    row = await conn.first(claimed.returning(mails.c.id, mails.c.secret, mails.c.attempts))
    return None if row is None else Waiting(MailId(row.id), bytes(row.secret), row.attempts - 1)


async def remove(conn: Connection, mail_id: MailId) -> None:
    """Remove a mail that was sent, or that nobody waits for any more."""
    await conn.execute(delete(mails).where(mails.c.id == mail_id))


async def secrets(conn: Connection) -> dict[MailId, bytes]:
    """Return all mails that wait, encrypted."""
    return {MailId(row.id): bytes(row.secret) for row in await conn.all(select(mails.c.id, mails.c.secret))}


async def replace_secret(conn: Connection, mail_id: MailId, secret: bytes) -> None:
    """Replace a mail with the same one under another key."""
    await conn.execute(update(mails).where(mails.c.id == mail_id).values(secret=secret))
