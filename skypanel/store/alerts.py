"""Alerts for administrators. Only one alert for each kind and subject is open at a time."""

from sqlalchemy import func, select, update
from sqlalchemy.dialects.postgresql import insert

from skypanel.domain.alert import Alert, AlertKind
from skypanel.domain.ids import AlertId
from skypanel.ports.database import Connection
from skypanel.store.rows import Row, found, one
from skypanel.store.tables.nodes import OPEN_ALERT, alerts


async def add(conn: Connection, kind: AlertKind, subject: str, message: str) -> bool:
    """Open an alert; False if one is open already."""
    alert = insert(alerts).values(kind=kind, subject=subject, message=message)
    return bool(await conn.execute(alert.on_conflict_do_nothing(index_elements=["kind", "subject"], index_where=OPEN_ALERT)))


async def resolve(conn: Connection, kind: AlertKind, subject: str) -> bool:
    """Mark the open alert as resolved; False if none was open."""
    statement = update(alerts).where(alerts.c.kind == kind, alerts.c.subject == subject, OPEN_ALERT)
    return bool(await conn.execute(statement.values(resolved_at=func.clock_timestamp())))


async def resolve_one(conn: Connection, alert_id: AlertId) -> Alert:
    """Mark an alert as resolved and return it. Raises NotFound if it is not open."""
    statement = update(alerts).where(alerts.c.id == alert_id, OPEN_ALERT).values(resolved_at=func.clock_timestamp())
    return _read(await found(conn, statement.returning(alerts), "open alert"))


async def open_(conn: Connection) -> list[Alert]:
    """Return the unresolved alerts, oldest first."""
    return [_read(row) for row in await conn.all(select(alerts).where(OPEN_ALERT).order_by(alerts.c.raised_at))]


async def history(conn: Connection, *, offset: int, limit: int) -> list[Alert]:
    """Return open and resolved alerts, the open ones first and then the newest, without the first `offset`."""
    statement = select(alerts).order_by(OPEN_ALERT.desc(), alerts.c.raised_at.desc(), alerts.c.id).offset(offset).limit(limit)
    return [_read(row) for row in await conn.all(statement)]


async def counts(conn: Connection) -> tuple[int, int]:
    """Return how many alerts are open, and how many there are in all."""
    row = await one(conn, select(func.count().filter(OPEN_ALERT).label("open"), func.count().label("total")).select_from(alerts))
    return row.open, row.total


def _read(row: Row) -> Alert:
    return Alert(row.id, AlertKind(row.kind), row.subject, row.message, row.raised_at, row.resolved_at)
