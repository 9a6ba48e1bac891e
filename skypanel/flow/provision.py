"""Provisioning and removal of nodes: idempotent steps under a lease, as for a rollout."""

import asyncio
import json
import logging
import secrets
from contextlib import suppress
from functools import partial

from skypanel.domain import provision as plan
from skypanel.domain import transcript
from skypanel.domain.alert import AlertKind
from skypanel.domain.errors import NotFound, SkyPanelError, Unavailable
from skypanel.domain.node import Node, NodeState, Wanted
from skypanel.domain.output import node_stream
from skypanel.flow import lease
from skypanel.flow.agent_bundle import bundle
from skypanel.flow.configured import value
from skypanel.flow.digest import digest
from skypanel.flow.drain import drain
from skypanel.flow.machine import NodeShell
from skypanel.flow.nodes import inspect
from skypanel.flow.watch import check_node
from skypanel.ports.nodes import Swarm
from skypanel.ports.output import WriteLine
from skypanel.ports.panel import Panel
from skypanel.ports.queue import Job
from skypanel.store import alerts, nodes, settings

NODES_AT_ONCE = 4
FIRST_HEARTBEAT_S = 30.0
POLL_S = 0.2

log = logging.getLogger(__name__)


async def work(panel: Panel, worker: str) -> None:
    """Claim nodes to provision or remove, a few at a time, until none waits; a node with an expired lease is resumed."""

    async def claim() -> Node | None:
        async with panel.transaction() as conn:
            return await nodes.claim(conn, worker, lease.LEASE_S)

    await drain(claim, partial(_perform, panel), NODES_AT_ONCE)


async def wake_waiting(panel: Panel) -> None:
    """Repeat lost wake-ups."""
    async with panel.autocommit() as conn:
        waiting = await nodes.waiting(conn)
    if waiting:
        await panel.queue.wake(Job.NODE)


async def _perform(panel: Panel, node: Node) -> None:
    try:
        async with panel.output.writer(node_stream(node.id), node.attempt) as output, lease.held(partial(_renew, panel, node)):
            try:
                await (_remove if node.state is NodeState.REMOVING else _provision)(panel, node, output.write)
            except SkyPanelError as error:
                for line in transcript.failures(error):
                    await output.write(line)
                await _fail(panel, node, error)
    except lease.LeaseLost as lost:
        log.warning("node %s: attempt %d lost its lease", node.name, node.attempt, exc_info=lost.__cause__)


async def _provision(panel: Panel, node: Node, write: WriteLine) -> None:
    await write(transcript.heading(f"Logging in to {node.address} as {node.user}"))
    async with panel.machines.log_in(node.login(panel.cipher.decrypt(node.secret))) as shell:
        machine = NodeShell(shell, await inspect(shell), write)
        plan.check_root(machine.survey, node.user)
        await write(transcript.detail(machine.survey.os))
        await _install(machine)
        member_id = await _join(panel, node, machine)
        await _load_images(panel.swarm, machine)
        await _start_agent(panel, node, machine)
    await _wait_for_heartbeat(panel, node, write)
    await _finish(panel, node, member_id)
    await write(transcript.heading(f"{node.name} is a node now"))
    with suppress(Unavailable):  # the next check repeats it
        await check_node(panel, node.id)


async def _install(machine: NodeShell) -> None:
    missing = plan.packages(machine.survey)
    if missing:
        await machine.write(transcript.heading(f"Installing {', '.join(missing)}"))
        await machine.do(plan.install_argv(missing))
    elif machine.survey.daemon:
        await machine.write(transcript.heading(f"Using Docker {machine.survey.daemon}, which is already installed"))
    await machine.do(plan.start_docker_argv())


async def _join(panel: Panel, node: Node, machine: NodeShell) -> str:
    members = frozenset(member.id for member in await panel.swarm.members())
    await machine.ask(plan.unpack_argv(plan.AGENT), bundle())
    survey = await inspect(machine.shell)
    if plan.check_membership(survey, members):
        await machine.write(transcript.heading("It is already a member of the Swarm"))
        member_id = survey.member
    else:
        await machine.write(transcript.heading("Joining the Swarm"))
        offer = await panel.swarm.join_offer()
        body = json.dumps({"address": offer.address, "token": offer.token})
        member_id = plan.read_member(await machine.ask(plan.agent_argv("join"), body.encode()))
    async with panel.transaction() as conn:
        await nodes.set_member(conn, node.id, member_id)
    return member_id


async def _load_images(swarm: Swarm, machine: NodeShell) -> None:
    for name in swarm.stack_images:
        try:
            wanted = await swarm.image_id(name)
        except NotFound as error:
            raise Unavailable(
                f"The panel's machine has no image {name}.", "Build the stack's images first: `skypanel stack build`."
            ) from error
        if (await machine.ask(plan.image_id_argv(name))).strip() == wanted:
            await machine.write(transcript.heading(f"The image {name} is already there"))
            continue
        await machine.write(transcript.heading(f"Loading the image {name}"))
        await machine.do(plan.load_argv(), swarm.save_image(name))


async def _start_agent(panel: Panel, node: Node, machine: NodeShell) -> None:
    await machine.write(transcript.heading("Starting the agent"))
    token = secrets.token_urlsafe(32)
    config = await agent_config(panel, token)
    async with panel.transaction() as conn:
        await nodes.set_token(conn, node.id, digest(token))
    await machine.place(plan.CONFIG, json.dumps(config), "0600")
    if machine.survey.systemd:
        await machine.place(plan.UNIT, plan.SYSTEMD_UNIT, "0644")
    await machine.do(plan.start_agent_argv(machine.survey))


async def agent_config(panel: Panel, token: str) -> dict[str, object]:
    """Return the agent's configuration: the panel's address, its name and certificate authority, and the agent's token.

    The address is the setting `panel_address`, or else that of the Swarm's manager, which is on the panel's machine.
    """
    async with panel.autocommit() as conn:
        authority, address = await settings.get(conn, "panel_ca"), await value(conn, "panel_address")
    if not authority:
        raise Unavailable("The panel's certificate authority is not known.", "Start the panel once with `skypanel up`.")
    return {
        "address": address or (await panel.swarm.join_offer()).host,
        "port": panel.address.https_port,
        "name": panel.address.host("skypanel"),
        "ca": authority,
        "token": token,
        "base": panel.swarm.stack_images[0],
    }


async def _wait_for_heartbeat(panel: Panel, node: Node, write: WriteLine) -> None:
    await write(transcript.detail("Waiting for its first heartbeat"))
    async with panel.transaction() as conn:
        since = await nodes.now(conn)
    deadline = asyncio.get_running_loop().time() + FIRST_HEARTBEAT_S
    while asyncio.get_running_loop().time() < deadline:
        async with panel.autocommit() as conn:
            heard = (await nodes.get(conn, node.id)).heartbeat_at
        if heard is not None and heard > since:
            return
        await asyncio.sleep(POLL_S)
    raise Unavailable(
        f"The agent sent no heartbeat within {FIRST_HEARTBEAT_S:g} s.",
        f"Its log is in {plan.AGENT_LOG} or in its systemd journal. Check that the machine can reach the panel's HTTPS port.",
    )


async def _remove(panel: Panel, node: Node, write: WriteLine) -> None:
    if node.member_id is not None:
        try:
            await _leave(panel, node, write)
        except SkyPanelError as error:
            # The machine may be gone for good, so the rest is done without it.
            await write(transcript.detail(f"The machine itself was not cleaned up: {error.message}"))
        await panel.swarm.remove(node.member_id)
    async with panel.transaction() as conn:
        if not await nodes.remove(conn, node):
            raise lease.LeaseLost
        await alerts.resolve(conn, AlertKind.NODE_INACTIVE, node.name)
    await write(transcript.heading(f"{node.name} is removed"))


async def _leave(panel: Panel, node: Node, write: WriteLine) -> None:
    await write(transcript.heading(f"Leaving the Swarm on {node.address}"))
    async with panel.machines.log_in(node.login(panel.cipher.decrypt(node.secret))) as shell:
        machine = NodeShell(shell, await inspect(shell), write)
        if machine.survey.member == node.member_id:
            await machine.do(plan.agent_argv("leave"))
        await machine.do(plan.stop_agent_argv(machine.survey))


async def _finish(panel: Panel, node: Node, member_id: str) -> None:
    async with panel.transaction() as conn:
        await nodes.set_member(conn, node.id, member_id)
        if not await nodes.finish(conn, node, NodeState.JOINING):
            raise lease.LeaseLost


async def _fail(panel: Panel, node: Node, error: SkyPanelError) -> None:
    """Record an error. A removal keeps its lease, so it is retried when that expires."""
    async with panel.transaction() as conn:
        if node.state is NodeState.REMOVING:
            await nodes.note(conn, node.id, str(error))
            return
        wanted = (await nodes.get(conn, node.id)).wanted
        # A node that was a member before keeps being judged by its heartbeats.
        state = NodeState.JOINING if node.member_id else NodeState.PENDING
        await nodes.finish(conn, node, NodeState.REMOVING if wanted is Wanted.REMOVED else state, error=str(error))


async def _renew(panel: Panel, node: Node) -> bool:
    async with panel.transaction() as conn:
        return await nodes.renew(conn, node, lease.LEASE_S)
