"""Stops dynos on other nodes, which only the agents there can do."""

import asyncio

from skypanel.domain.errors import NotFound, Unavailable
from skypanel.domain.node import Node
from skypanel.ports.database import Database
from skypanel.ports.panel import Panel
from skypanel.store import nodes, stop_orders

POLL_S = 0.1
ANSWER_S = 10.0


async def stop_elsewhere(database: Database, member_id: str, container: str, timeout_s: float = ANSWER_S) -> None:
    """Return once the agent of a Swarm member has sent SIGTERM to a dyno's container; the container may have ended before.

    Raises NotFound for a member that is not one of our nodes, Unavailable if its agent does not respond within `timeout_s`. An agent that
    responds within a minute still carries out the order.
    """
    async with database.transaction() as conn:
        node = await nodes.by_member(conn, member_id)
        if node is None:
            raise NotFound(f"The Swarm's node {member_id} has no SkyPanel agent.", "Add it with `skypanel nodes add`.")
        await stop_orders.add(conn, node.id, container)
    deadline = asyncio.get_running_loop().time() + timeout_s
    while await _is_waiting(database, node, container):
        if asyncio.get_running_loop().time() > deadline:
            raise Unavailable(
                f"The node {node.name} did not stop the dyno within {timeout_s:g} s.",
                "It still stops the dyno if it responds within a minute. Check it with `skypanel nodes`.",
            )
        await asyncio.sleep(POLL_S)


async def carried_out(panel: Panel, node: Node, container: str) -> None:
    """Delete an order that a node's agent has carried out."""
    async with panel.transaction() as conn:
        await stop_orders.remove(conn, node.id, container)


async def _is_waiting(database: Database, node: Node, container: str) -> bool:
    async with database.transaction() as conn:
        return container in await stop_orders.of(conn, node.id)
