"""Stop orders: dynos that the agents of their nodes should stop. An order expires after LIFE."""

from datetime import timedelta

from sqlalchemy import ColumnElement, delete, func, select
from sqlalchemy.dialects.postgresql import insert

from skypanel.domain.ids import NodeId
from skypanel.ports.database import Connection
from skypanel.store.tables.nodes import stop_orders

LIFE = timedelta(minutes=1)


async def add(conn: Connection, node_id: NodeId, container: str) -> None:
    """Add or renew an order to stop a container, and delete expired orders."""
    await conn.execute(delete(stop_orders).where(~_is_young()))
    order = insert(stop_orders).values(node_id=node_id, container=container)
    again = order.on_conflict_do_update(index_elements=["node_id", "container"], set_={"created_at": func.clock_timestamp()})
    await conn.execute(again)


async def of(conn: Connection, node_id: NodeId) -> list[str]:
    """Return the containers that a node should stop, oldest order first."""
    statement = select(stop_orders.c.container).where(stop_orders.c.node_id == node_id, _is_young())
    return [row.container for row in await conn.all(statement.order_by(stop_orders.c.created_at))]


async def remove(conn: Connection, node_id: NodeId, container: str) -> None:
    """Delete an order; a missing one is no error."""
    await conn.execute(delete(stop_orders).where(stop_orders.c.node_id == node_id, stop_orders.c.container == container))


def _is_young() -> ColumnElement[bool]:
    return stop_orders.c.created_at > func.clock_timestamp() - LIFE
