"""Destinations of messages about alerts, and the claims of workers that send to them."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, delete, func, insert, literal, or_, select, update

from skypanel.domain.alert import GIVE_UP_AFTER, AlertEvent, AlertKind, Destination, Telling
from skypanel.domain.ids import AccountId, DestinationId, OrganizationId
from skypanel.ports.database import Connection
from skypanel.store import leases
from skypanel.store.rows import Row, found, one
from skypanel.store.sets import among
from skypanel.store.tables.alerts import alert_destinations, alert_messages, alerts

_COLUMNS = tuple(column for column in alert_destinations.c if column is not alert_destinations.c.url)


@dataclass(frozen=True)
class Claimed:
    """A destination that a worker has claimed, its encrypted URL, the fencing token of the claim, and when it got its last messages."""

    destination: Destination
    url: bytes
    attempt: int
    failures: int
    sent: Sequence[datetime]


@dataclass(frozen=True)
class Waiting:
    """A message that waits to be sent."""

    id: int
    telling: Telling


async def of(conn: Connection, organization_id: OrganizationId | None) -> list[Destination]:
    """Return the destinations of an organization, or of the administrators, oldest first."""
    statement = select(*_COLUMNS).where(_of(organization_id)).order_by(alert_destinations.c.created_at)
    return [_read(row) for row in await conn.all(statement)]


async def get(conn: Connection, organization_id: OrganizationId | None, destination_id: DestinationId) -> tuple[Destination, bytes]:
    """Return a destination with its encrypted URL. Raises NotFound."""
    row = await found(conn, select(alert_destinations).where(_one(organization_id, destination_id)), "destination")
    return _read(row), bytes(row.url)


async def add(
    conn: Connection,
    organization_id: OrganizationId | None,
    account_id: AccountId,
    *,
    name: str,
    service: str,
    url: bytes,
    muted: Collection[AlertKind],
) -> Destination:
    """Add a destination."""
    values = {"organization_id": organization_id, "account_id": account_id, "name": name, "service": service, "url": url}
    added = insert(alert_destinations).values(**values, muted=sorted(muted)).returning(*_COLUMNS)
    return _read(await one(conn, added))


async def mute(
    conn: Connection, organization_id: OrganizationId | None, destination_id: DestinationId, muted: Collection[AlertKind]
) -> Destination:
    """Choose the rules of which a destination gets nothing. Raises NotFound."""
    changed = update(alert_destinations).where(_one(organization_id, destination_id)).values(muted=sorted(muted))
    return _read(await found(conn, changed.returning(*_COLUMNS), "destination"))


async def remove(conn: Connection, organization_id: OrganizationId | None, destination_id: DestinationId) -> Destination:
    """Remove a destination, and what waits for it. Raises NotFound."""
    removed = delete(alert_destinations).where(_one(organization_id, destination_id)).returning(*_COLUMNS)
    return _read(await found(conn, removed, "destination"))


async def claim(conn: Connection, most: int, span: timedelta, lease_s: float) -> Claimed | None:
    """Claim a destination for which messages wait and are due, or return None.

    One that got `most` messages within `span` waits. A lapsed lease lets another worker claim it.
    """
    table = alert_destinations
    waiting = select(alert_messages.c.id).where(
        alert_messages.c.destination_id == table.c.id, alert_messages.c.sent_at.is_(None), alert_messages.c.due_at <= func.now()
    )
    free = (
        select(table.c.id)
        .where(
            waiting.exists(),
            table.c.due_at <= func.now(),
            or_(table.c.busy_until.is_(None), table.c.busy_until <= func.now()),
            or_(func.cardinality(table.c.sent) < most, table.c.sent[1] <= func.now() - span),
        )
        .order_by(table.c.due_at)
        .limit(1)
        .with_for_update(skip_locked=True)
    )
    values = {"attempt": table.c.attempt + 1, "busy_until": leases.until(lease_s)}
    row = await conn.first(update(table).where(table.c.id == free.scalar_subquery()).values(values).returning(table))
    return None if row is None else Claimed(_read(row), bytes(row.url), row.attempt, row.failures, row.sent)


async def waiting(conn: Connection, destination_id: DestinationId) -> list[Waiting]:
    """Return the messages that are due at a destination, oldest first."""
    statement = (
        select(alert_messages.c.id, alert_messages.c.event, alerts.c.kind, alerts.c.message)
        .join(alerts, alerts.c.id == alert_messages.c.alert_id)
        .where(alert_messages.c.destination_id == destination_id, alert_messages.c.sent_at.is_(None), alert_messages.c.due_at <= func.now())
        .order_by(alert_messages.c.id)
    )
    rows: Sequence[Row] = await conn.all(statement)
    return [Waiting(row.id, Telling(AlertEvent(row.event), AlertKind(row.kind), row.message)) for row in rows]


async def sent(conn: Connection, claimed: Claimed, ids: Collection[int], most: int) -> bool:
    """Record that a claimed destination got these messages, in one; False if another worker has claimed it since."""
    table = alert_destinations
    times = func.array_append(literal(list(claimed.sent[-most + 1 :]), table.c.sent.type), func.clock_timestamp())
    values = {"busy_until": None, "failures": 0, "error": None, "due_at": func.clock_timestamp(), "sent": times}
    if not await conn.execute(update(table).where(_held(claimed)).values(values)):
        return False
    mine = among(alert_messages.c.id, ids)
    await conn.execute(update(alert_messages).where(mine).values(sent_at=func.clock_timestamp()))
    return True


async def failed(conn: Connection, claimed: Claimed, error: str, pause: timedelta) -> None:
    """Record why a claimed destination got nothing, unless another worker has claimed it since."""
    values = {"busy_until": None, "failures": claimed.failures + 1, "error": error, "due_at": func.clock_timestamp() + pause}
    await conn.execute(update(alert_destinations).where(_held(claimed)).values(values))


async def give_up(conn: Connection) -> None:
    """Drop messages that have been due for GIVE_UP_AFTER."""
    long_due = alert_messages.c.due_at < func.now() - GIVE_UP_AFTER
    await conn.execute(delete(alert_messages).where(alert_messages.c.sent_at.is_(None), long_due))


async def secrets(conn: Connection) -> dict[DestinationId, bytes]:
    """Return the encrypted URLs of all destinations."""
    rows: Sequence[Row] = await conn.all(select(alert_destinations.c.id, alert_destinations.c.url))
    return {DestinationId(row.id): bytes(row.url) for row in rows}


async def replace_secret(conn: Connection, destination_id: DestinationId, url: bytes) -> None:
    """Replace the URL of a destination with the same one under another key."""
    await conn.execute(update(alert_destinations).where(alert_destinations.c.id == destination_id).values(url=url))


def _of(organization_id: OrganizationId | None) -> ColumnElement[bool]:
    return alert_destinations.c.organization_id.is_not_distinct_from(organization_id)


def _one(organization_id: OrganizationId | None, destination_id: DestinationId) -> ColumnElement[bool]:
    return (alert_destinations.c.id == destination_id) & _of(organization_id)


def _held(claimed: Claimed) -> ColumnElement[bool]:
    return (alert_destinations.c.id == claimed.destination.id) & (alert_destinations.c.attempt == claimed.attempt)


def _read(row: Row) -> Destination:
    muted = frozenset(map(AlertKind, row.muted))
    return Destination(
        row.id, row.organization_id, row.name, row.service, muted, row.error, row.sent[-1] if row.sent else None, row.created_at
    )
