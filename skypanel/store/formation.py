"""Formations: how many dynos of each process type an app should run."""

from collections.abc import Iterable

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert

from skypanel.domain.ids import AppId
from skypanel.domain.manifest import WEB
from skypanel.ports.database import Connection
from skypanel.store.tables.apps import formations


async def get(conn: Connection, app_id: AppId) -> dict[str, int]:
    """Return process type -> quantity."""
    statement = select(formations).where(formations.c.app_id == app_id).order_by(formations.c.process_type)
    return {row.process_type: row.quantity for row in await conn.all(statement)}


async def put(conn: Connection, app_id: AppId, process_type: str, quantity: int) -> None:
    """Set the quantity of a process type."""
    scale = insert(formations).values(app_id=app_id, process_type=process_type, quantity=quantity)
    await conn.execute(scale.on_conflict_do_update(index_elements=["app_id", "process_type"], set_={"quantity": quantity}))


async def fill(conn: Connection, app_id: AppId, process_types: Iterable[str]) -> None:
    """Add the process types that are new to the app: web with one dyno, the others with none."""
    rows = [{"app_id": app_id, "process_type": name, "quantity": int(name == WEB)} for name in dict.fromkeys(process_types)]
    if rows:
        await conn.execute(insert(formations).values(rows).on_conflict_do_nothing())
