"""TXT records that the panel publishes. A row is there before its record, and goes after it, so that none is forgotten."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import delete, select, update
from sqlalchemy.dialects.postgresql import insert

from skypanel.domain.certificate import Order
from skypanel.ports.database import Connection
from skypanel.store.rows import Row
from skypanel.store.tables.certificates import orders, records


@dataclass(frozen=True)
class PublishedRecord:
    """A TXT record, and how often its removal failed."""

    name: str
    value: str
    failures: int


async def add(conn: Connection, name: str, value: str, *, order_name: str, until: datetime) -> None:
    """Add a record. It may be removed from `until` on, once no order needs it. Nothing happens if there is one."""
    added = insert(records).values(name=name, value=value, order_name=order_name, next_attempt_at=until)
    await conn.execute(added.on_conflict_do_nothing())


async def of(conn: Connection, order: Order) -> str | None:
    """Return the name of the record that proves an order, or None."""
    row = await conn.first(select(records.c.name).where(records.c.order_name == order.name, records.c.value == order.proof))
    return None if row is None else str(row.name)


async def claim(conn: Connection, now: datetime, lease: timedelta) -> PublishedRecord | None:
    """Claim the next record that no order needs any more, or return None. It is due again after the lease."""
    needed = select(orders.c.name).where(orders.c.name == records.c.order_name, orders.c.proof == records.c.value)
    due = select(records.c.name, records.c.value).where(records.c.next_attempt_at <= now, ~needed.exists())
    first = await conn.first(due.order_by(records.c.next_attempt_at).limit(1).with_for_update(skip_locked=True))
    if first is None:
        return None
    same = records.c.name == first.name, records.c.value == first.value
    row = await conn.first(update(records).where(*same).values(next_attempt_at=now + lease).returning(records))
    return None if row is None else _read(row)


async def fail(conn: Connection, record: PublishedRecord, until: datetime) -> None:
    """Store that a record could not be removed, and when to try again."""
    values = {"failures": record.failures + 1, "next_attempt_at": until}
    await conn.execute(update(records).where(records.c.name == record.name, records.c.value == record.value).values(values))


async def remove(conn: Connection, name: str, value: str) -> None:
    """Remove the row of a record that is gone."""
    await conn.execute(delete(records).where(records.c.name == name, records.c.value == value))


def _read(row: Row) -> PublishedRecord:
    return PublishedRecord(row.name, row.value, row.failures)
