"""Nodes: what administrators do with them."""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

from skypanel.domain.access import runs_platform
from skypanel.domain.account import Account
from skypanel.domain.alert import Alert
from skypanel.domain.audit import AuditAction
from skypanel.domain.errors import Conflict, Denied, Unavailable
from skypanel.domain.node import Node, NodeState, SecretKind, SshLogin, SwarmMember, Wanted, availability, check_name, check_place
from skypanel.domain.output import LineId, Place, node_stream
from skypanel.domain.provision import Survey, check_root, read_survey, survey_argv
from skypanel.flow import audit
from skypanel.flow.follow import IDLE_S, Show, copy
from skypanel.flow.watch import check_node
from skypanel.ports.builder import StepFailed
from skypanel.ports.nodes import Shell
from skypanel.ports.output import WriteLine
from skypanel.ports.panel import Panel
from skypanel.ports.queue import Job
from skypanel.store import alerts, nodes


@dataclass(frozen=True)
class NodeOverview:
    """A node, and its state in the Swarm if it is a member."""

    node: Node
    member: SwarmMember | None


async def add(  # noqa: PLR0917 - the fields of a node
    panel: Panel, by: Account, name: str, address: str, port: int, user: str, kind: SecretKind, secret: str
) -> Node:
    """Add a machine after a successful login, and pin its current host key.

    Raises Denied, Invalid, Conflict or Unavailable; an error adds nothing.
    """
    _check(by)
    check_name(name)
    check_place(address, port, user)
    login = SshLogin(address, port, user, await panel.machines.host_key(address, port), kind, secret)
    async with panel.machines.log_in(login) as shell:
        check_root(await inspect(shell), user)
    async with panel.transaction() as conn:
        node = await nodes.add(conn, name, login, panel.cipher.encrypt(secret))
        fingerprint = panel.machines.fingerprint(login.host_key)
        await audit.record(conn, AuditAction.NODE_ADD, by, node=name, address=address, port=port, user=user, host_key=fingerprint)
    return node


async def inspect(shell: Shell) -> Survey:
    """Survey a machine. Raises Unavailable if it cannot run commands."""
    try:
        return read_survey(await shell.read(survey_argv()))
    except StepFailed as error:
        raise Unavailable(f"Commands cannot run on this machine: {error}.", "Choose a user whose login shell is a POSIX shell.") from error


async def overview(panel: Panel, by: Account) -> tuple[Sequence[NodeOverview], Sequence[Alert]]:
    """Return the nodes in order of name, and the open alerts."""
    _check(by)
    async with panel.autocommit() as conn:
        known, open_ = await nodes.all(conn), await alerts.open_(conn)
    members: dict[str, SwarmMember] = {}
    if known:
        with suppress(Unavailable):  # the nodes are shown without the state of their members
            members = {member.id: member for member in await panel.swarm.members()}
    return [NodeOverview(node, members.get(node.member_id or "")) for node in known], open_


async def get(panel: Panel, by: Account, name: str) -> Node:
    """Return a node by its name. Raises NotFound."""
    _check(by)
    async with panel.autocommit() as conn:
        return await nodes.by_name(conn, name)


async def provision(panel: Panel, by: Account, name: str) -> Node:
    """Request provisioning of a node, which also repairs it. Raises NotFound, or Conflict while a worker provisions or removes it."""
    _check(by)
    async with panel.transaction() as conn:
        node = await nodes.by_name(conn, name)
        if not await nodes.provision(conn, node.id):
            raise Conflict(f"{name} is {node.state}.", "Wait until it has finished; `skypanel nodes show` shows its progress.")
        await audit.record(conn, AuditAction.NODE_PROVISION, by, node=name)
    await panel.queue.wake(Job.NODE)
    return node


async def drain(panel: Panel, by: Account, name: str) -> None:
    """Remove all dynos from a node; the Swarm starts them elsewhere. Raises NotFound, Conflict or Unavailable."""
    await _want(panel, by, name, Wanted.DRAINED, AuditAction.NODE_DRAIN)


async def activate(panel: Panel, by: Account, name: str) -> None:
    """Allow a node to run dynos again. Raises NotFound, Conflict or Unavailable."""
    await _want(panel, by, name, Wanted.ACTIVE, AuditAction.NODE_ACTIVATE)


async def remove(panel: Panel, by: Account, name: str) -> Node:
    """Drain a node; then a worker removes it from the Swarm and deletes it. Raises NotFound or Unavailable."""
    _check(by)
    async with panel.transaction() as conn:
        node = await nodes.by_name(conn, name)
        await audit.record(conn, AuditAction.NODE_REMOVE, by, node=name)
        if not await nodes.remove_unused(conn, node.id):
            await nodes.want(conn, node.id, Wanted.REMOVED)
    await check_node(panel, node.id)
    await panel.queue.wake(Job.NODE)
    return node


async def follow(panel: Panel, node: Node, write: WriteLine) -> Node | None:
    """Copy the output of work on a node to `write`, and return the node at the end; None once it is removed.

    `node` must be the node before that work was requested, because older output is skipped.
    """

    async def patience() -> float | None:
        async with panel.autocommit() as conn:
            now = await nodes.by_id(conn, node.id)
        is_done = now is None or (now.state not in {NodeState.PROVISIONING, NodeState.REMOVING} and now.wanted is not Wanted.REMOVED)
        return None if is_done else IDLE_S

    await copy(panel.output, Place(node_stream(node.id), LineId(node.attempt, LAST)), patience, _shown(write))
    async with panel.autocommit() as conn:
        return await nodes.by_id(conn, node.id)


LAST = 10**9 - 1


def _shown(write: WriteLine) -> Show:
    async def show(_place: Place, text: str) -> None:
        await write(text)

    return show


async def _want(panel: Panel, by: Account, name: str, wanted: Wanted, action: AuditAction) -> None:
    _check(by)
    async with panel.transaction() as conn:
        node = await nodes.by_name(conn, name)
        if node.wanted is Wanted.REMOVED:
            raise Conflict(f"{name} is being removed.", "Add it again after it is removed.")
        if node.member_id is None:
            raise Conflict(f"{name} is not a member of the Swarm yet.", f"Run `skypanel nodes provision {name}` first.")
        await nodes.want(conn, node.id, wanted)
        await audit.record(conn, action, by, node=name)
    if wanted is not Wanted.ACTIVE:
        await panel.swarm.set_availability(node.member_id, availability(NodeState.DRAINED))
    await check_node(panel, node.id)


def _check(by: Account) -> None:
    if not runs_platform(by):
        raise Denied("Only administrators can manage nodes.", "Ask an administrator of this panel.")
