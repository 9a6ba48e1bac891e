"""The check of all nodes, every 30 s: silent nodes get no dynos and raise an alert; nodes that are back get dynos again."""

import logging
from collections.abc import Mapping, Sequence
from datetime import datetime

from skypanel.domain import mails
from skypanel.domain.alert import AlertKind, Problem
from skypanel.domain.errors import NotFound
from skypanel.domain.ids import NodeId
from skypanel.domain.node import WATCHED, Node, NodeState, SwarmMember, availability, judged, why_inactive
from skypanel.domain.notification import Notification
from skypanel.flow import notifications
from skypanel.ports.panel import Panel
from skypanel.ports.queue import Job
from skypanel.store import accounts, alerts, nodes

log = logging.getLogger(__name__)


async def check(panel: Panel) -> None:
    """Update the state of every node from its heartbeats, its Swarm membership and what the administrator wants. Raises Unavailable."""
    async with panel.autocommit() as conn:
        known = [node for node in await nodes.all(conn) if node.state in WATCHED]
    await _check_all(panel, known)


async def check_node(panel: Panel, node_id: NodeId) -> None:
    """Check one node at once."""
    async with panel.autocommit() as conn:
        node = await nodes.by_id(conn, node_id)
    if node is not None and node.state in WATCHED:
        await _check_all(panel, [node])


async def _check_all(panel: Panel, known: Sequence[Node]) -> None:
    if not known:
        return
    members = {member.id: member for member in await panel.swarm.members()}
    async with panel.transaction() as conn:
        now, wanted = await nodes.now(conn), frozenset(await nodes.wanted_slugs(conn))
    for node in known:
        await _check_one(panel, node, members, now, wanted)


async def _check_one(panel: Panel, node: Node, members: Mapping[str, SwarmMember], now: datetime, wanted: frozenset[str]) -> None:
    member = members.get(node.member_id or "")
    staged = frozenset(node.report.staged) if node.report else frozenset()
    state = judged(node, member, now, has_all_slugs=wanted <= staged)
    if member is not None and member.availability is not availability(state):
        try:
            await panel.swarm.set_availability(member.id, availability(state))
        except NotFound:
            log.warning("%s has left the Swarm", node.name)
    if state is not node.state:
        await _move(panel, node, state, member)


async def _move(panel: Panel, node: Node, state: NodeState, member: SwarmMember | None) -> None:
    async with panel.transaction() as conn:
        if not await nodes.move(conn, node, state):
            return  # it changed in the meantime, and the next check uses its new state
        if state is NodeState.INACTIVE:
            why = why_inactive(node, member)
            if await alerts.add(conn, AlertKind.NODE_INACTIVE, Problem(node.name, why)):
                url = f"{panel.address.dashboard_url().rstrip('/')}/admin/nodes"
                admins = [each.id for each in await accounts.admins(conn)]
                await notifications.send(
                    panel, conn, Notification.NODE_INACTIVE, admins, lambda to: mails.node_inactive(to, node.name, why, url)
                )
        else:
            await alerts.resolve(conn, AlertKind.NODE_INACTIVE, node.name)
    log.warning("%s: %s -> %s", node.name, node.state, state)
    if state is NodeState.REMOVING:
        await panel.queue.wake(Job.NODE)
