"""What the agents of nodes report and request."""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from dataclasses import dataclass

from skypanel.domain.errors import Denied, NotFound, Unavailable
from skypanel.domain.node import Node, NodeState
from skypanel.domain.report import Report
from skypanel.domain.storage import ObjectKind
from skypanel.flow import metrics
from skypanel.flow.digest import digest as digest_of
from skypanel.flow.watch import check_node
from skypanel.ports.panel import Panel
from skypanel.store import nodes, stop_orders

POLL_S = 0.3
WAIT_S = 25.0
EAGER = frozenset({NodeState.JOINING, NodeState.INACTIVE})


@dataclass(frozen=True)
class Orders:
    """The digests of the slugs that a node should have, and the containers that it should stop.

    `mark` identifies this list of digests.
    """

    digests: Sequence[str]
    mark: str
    stops: Sequence[str] = ()


async def agent(panel: Panel, token: str) -> Node:
    """Return the node whose agent has this token. Raises Denied."""
    async with panel.autocommit() as conn:
        node = await nodes.by_token(conn, digest_of(token))
    if node is None:
        raise Denied("No node has this token.", "Provision the node again to give its agent a new token.")
    return node


async def record(panel: Panel, node: Node, report: Report) -> None:
    """Store a heartbeat and what its dynos use; a joining or inactive node may become active at once."""
    async with panel.transaction() as conn:
        await nodes.record_heartbeat(conn, node.id, report)
    await metrics.record(panel, report.dynos)
    if node.state in EAGER:
        with suppress(Unavailable):  # the next check repeats it
            await check_node(panel, node.id)


async def orders(panel: Panel, node: Node, known: str, wait_s: float = WAIT_S) -> Orders:
    """Return a node's orders. If its agent knows the slugs and has nothing to stop, wait up to `wait_s` for a change."""
    deadline = asyncio.get_running_loop().time() + wait_s
    while True:
        async with panel.transaction() as conn:
            digests, stops = await nodes.wanted_slugs(conn), await stop_orders.of(conn, node.id)
        found = Orders(digests, _mark(digests), stops)
        if found.stops or found.mark != known or asyncio.get_running_loop().time() > deadline:
            return found
        await asyncio.sleep(POLL_S)


async def slug(panel: Panel, digest: str) -> AsyncIterator[bytes]:
    """Yield a slug that nodes need now. Raises NotFound for any other."""
    async with panel.autocommit() as conn:
        if digest not in await nodes.wanted_slugs(conn):
            raise NotFound("No node needs this slug now.")
    async for chunk in panel.objects.read(ObjectKind.SLUGS, digest):
        yield chunk


def _mark(digests: Sequence[str]) -> str:
    return hashlib.sha256(" ".join(digests).encode()).hexdigest()
