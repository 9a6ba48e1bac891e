"""Log drains of apps."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import delete, func, insert, select, update

from skypanel.domain.app import App
from skypanel.domain.ids import AccountId, AppId, LogDrainId
from skypanel.domain.log_drain import LogDrain
from skypanel.ports.database import Connection
from skypanel.store import apps
from skypanel.store.rows import Row, one
from skypanel.store.tables.log_drains import log_drains


@dataclass(frozen=True)
class Drained:
    """A drain, and its encrypted URL."""

    drain: LogDrain
    url: bytes


@dataclass(frozen=True)
class Progress:
    """What became of a drain's lines. `dropped` counts those since the last record."""

    sent_until: datetime
    dropped: int
    error: str | None


async def of(conn: Connection, app_id: AppId) -> list[Drained]:
    """Return an app's drains, oldest first."""
    return [_read(row) for row in await conn.all(select(log_drains).where(log_drains.c.app_id == app_id).order_by(log_drains.c.created_at))]


async def add(conn: Connection, app_id: AppId, account_id: AccountId, url: bytes, shown: str) -> LogDrain:
    """Add a drain to an app."""
    values = {"app_id": app_id, "account_id": account_id, "url": url, "shown": shown}
    return _read(await one(conn, insert(log_drains).values(values).returning(log_drains))).drain


async def remove(conn: Connection, drain_id: LogDrainId) -> None:
    """Remove a drain."""
    await conn.execute(delete(log_drains).where(log_drains.c.id == drain_id))


async def clear(conn: Connection, app_id: AppId) -> None:
    """Remove all drains of an app."""
    await conn.execute(delete(log_drains).where(log_drains.c.app_id == app_id))


async def all(conn: Connection) -> tuple[list[App], list[Drained]]:  # noqa: A001 - callers write log_drains.all
    """Return all drains, and the apps that they belong to."""
    drains = [_read(row) for row in await conn.all(select(log_drains).order_by(log_drains.c.created_at))]
    return await apps.by_ids(conn, {each.drain.app_id for each in drains}) if drains else [], drains


async def record(conn: Connection, progress: Mapping[LogDrainId, Progress]) -> None:
    """Record what became of the lines of drains."""
    for drain_id, each in progress.items():
        values = {"sent_until": each.sent_until, "dropped": log_drains.c.dropped + each.dropped, "error": each.error}
        await conn.execute(update(log_drains).where(log_drains.c.id == drain_id).values(**values, updated_at=func.clock_timestamp()))


async def secrets(conn: Connection) -> dict[LogDrainId, bytes]:
    """Return the encrypted URLs of all drains."""
    rows: Sequence[Row] = await conn.all(select(log_drains.c.id, log_drains.c.url))
    return {LogDrainId(row.id): bytes(row.url) for row in rows}


async def replace_secret(conn: Connection, drain_id: LogDrainId, url: bytes) -> None:
    """Replace the URL of a drain with the same one under another key."""
    await conn.execute(update(log_drains).where(log_drains.c.id == drain_id).values(url=url))


def _read(row: Row) -> Drained:
    drain = LogDrain(row.id, row.app_id, row.shown, row.sent_until, row.dropped, row.error, row.created_at, row.updated_at)
    return Drained(drain, bytes(row.url))
