"""Alerts for administrators: of each kind and subject one is open at a time."""

from sqlalchemy import func, select, update
from sqlalchemy.dialects.postgresql import insert

from skypanel.domain.alert import Alert, AlertKind
from skypanel.ports.database import Connection
from skypanel.store.rows import Row
from skypanel.store.tables.nodes import OPEN_ALERT, alerts


async def add(conn: Connection, kind: AlertKind, subject: str, message: str) -> bool:
    """Raise an alert; False if one is open already."""
    alert = insert(alerts).values(kind=kind, subject=subject, message=message)
    return bool(await conn.execute(alert.on_conflict_do_nothing(index_elements=["kind", "subject"], index_where=OPEN_ALERT)))


async def resolve(conn: Connection, kind: AlertKind, subject: str) -> bool:
    """Note that what an alert was about is over; False if none was open."""
    statement = update(alerts).where(alerts.c.kind == kind, alerts.c.subject == subject, OPEN_ALERT)
    return bool(await conn.execute(statement.values(resolved_at=func.clock_timestamp())))


async def open_(conn: Connection) -> list[Alert]:
    """Return the alerts that are not resolved, oldest first."""
    return [_read(row) for row in await conn.all(select(alerts).where(OPEN_ALERT).order_by(alerts.c.raised_at))]


def _read(row: Row) -> Alert:
    return Alert(row.id, AlertKind(row.kind), row.subject, row.message, row.raised_at)
