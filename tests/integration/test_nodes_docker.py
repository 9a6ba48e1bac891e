"""Nodes as they are: real daemons in a Swarm, a real SSH server, the agent speaking TLS to the panel."""

import asyncio
import io
import ssl
import tarfile
from dataclasses import replace
from datetime import UTC, datetime

import pytest
import zstandard
from aiohttp import web

from skypanel.domain.access import Action
from skypanel.domain.node import Availability, NodeState, SecretKind
from skypanel.domain.output import node_stream
from skypanel.domain.routing import Address
from skypanel.drivers.ssh.machines import SshMachines
from skypanel.drivers.swarm import spec as swarm_spec
from skypanel.drivers.swarm.nodes import SwarmNodes
from skypanel.embedded.certificates import issue, make_authority, panel_hosts
from skypanel.flow import apps as apps_flow
from skypanel.flow import nodes as nodes_flow
from skypanel.flow import provision, stopping, watch
from skypanel.flow.setup import publish_authority
from skypanel.host.layers import image, write_layer
from skypanel.store import alerts, nodes, settings
from tests.fixtures.docker import swarm_of_the_module
from tests.fixtures.machine import BareMachine, Machine
from tests.fixtures.web import SETTINGS
from tests.support.panels import open_stage
from tests.support.small_image import small_image
from tests.support.until import until
from web.app import create_app

__all__ = ["swarm_of_the_module"]


def packed():
    """A slug: a zstd tar with one file."""
    body, archive = b"print('hello')\n", io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w") as files:
        entry = tarfile.TarInfo("./app.py")
        entry.size = len(body)
        files.addfile(entry, io.BytesIO(body))
    return zstandard.compress(archive.getvalue())


@pytest.fixture
def machine(swarm, tmp_path):
    made = Machine(swarm.bridge.node("worker1"), tmp_path / "machine")
    yield made
    made.remove()
    made.node.kill()


@pytest.fixture
async def stage(swarm, database, tmp_path):
    """A panel whose web process listens on the bridge, by TLS with a certificate of its own authority."""
    stage = await open_stage(database, tmp_path)
    authority = make_authority("localhost", datetime.now(UTC))
    pair = issue(authority, panel_hosts("localhost"), datetime.now(UTC))
    (tmp_path / "crt").write_bytes(pair.certificate)
    (tmp_path / "key").write_bytes(pair.key)
    base = await asyncio.to_thread(small_image, swarm.client)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(tmp_path / "crt", tmp_path / "key")
    stage.panel = replace(stage.panel, load_swarm=lambda: SwarmNodes(swarm.url, [base]), load_machines=SshMachines)
    runner = web.AppRunner(create_app(stage.panel, SETTINGS), shutdown_timeout=1)
    await runner.setup()
    site = web.TCPSite(runner, swarm.bridge.address, 0, ssl_context=context)
    await site.start()
    port = runner.addresses[0][1]
    stage.panel = replace(stage.panel, address=Address("localhost", 2222, 8080, port))
    await publish_authority(stage.panel, authority.certificate.decode())
    async with stage.panel.transaction() as conn:
        await settings.put(conn, "panel_address", swarm.bridge.address, None)
    yield stage
    await site.stop()
    for connection in runner.server.connections:
        # Its machine may be gone: nobody would answer the end of TLS, and the socket be open for longer than the test's loop.
        if connection.transport:
            connection.transport.abort()
    await runner.cleanup()


@pytest.fixture
async def slug(stage):
    stage.panel.builder.answer("tar -c", out=packed())
    await stage.push(await stage.app(), "a source")
    await stage.work()
    [digest] = [digest for kind, digest in stage.panel.objects.stored if kind == "slugs"]
    return digest


async def state_of(stage, name="one"):
    async with stage.panel.transaction() as conn:
        found = await nodes.all(conn)
    return next((node.state for node in found if node.name == name), None)


async def node_called(stage, name="one"):
    async with stage.panel.transaction() as conn:
        return await nodes.by_name(conn, name)


async def added(stage, machine):
    return await nodes_flow.add(stage.panel, stage.admin, "one", machine.address, 22, "root", SecretKind.KEY, machine.key)


def running(docker, service):
    """Return the hostnames on which a service's tasks run."""
    names = {node.id: node.attrs["Description"]["Hostname"] for node in docker.client.nodes.list()}
    tasks = docker.client.api.tasks({"service": service.name, "desired-state": "running"})
    return sorted(names[task["NodeID"]] for task in tasks if task["Status"]["State"] == "running")


@pytest.mark.req("R5.2")
@pytest.mark.req("R5.4")
@pytest.mark.req("R5.5")
async def test_the_life_of_a_node(swarm, machine, stage, slug):
    node = await added(stage, machine)
    await nodes_flow.provision(stage.panel, stage.admin, "one")
    await provision.work(stage.panel, "worker")
    said = "\n".join(stage.panel.output.texts(node_stream(node.id)))
    assert "Using Docker 20.10" in said, said
    assert "one is a node now" in said, said

    # It stages the slug by itself, to an image that has the same id everywhere, and gets dynos then.
    await until(lambda: _is(stage, NodeState.ACTIVE), within_s=60)
    stack = swarm.client.api.inspect_image(stage.panel.swarm.stack_images[0])
    expected = image(stack, write_layer(io.BytesIO(zstandard.decompress(packed(), 100_000)), io.BytesIO()), "tag").id
    assert expected in {found.id for found in machine.node.client.images.list()}

    service = swarm.client.services.create(stack["Id"], ["sleep", "1000"], name="small", mode={"Replicated": {"Replicas": 2}})
    await until(lambda: running(swarm, service) == ["manager", "worker1"], within_s=60)
    [found], _ = await nodes_flow.overview(stage.panel, stage.admin)
    assert found.node.report.memory_bytes > found.node.report.memory_used_bytes > 0
    await until(lambda: _reports(stage, containers=1), within_s=90)

    await prints_and_stops(swarm, stage, await node_called(stage))

    # Drained, its dynos run elsewhere; activated, it may have some again.
    await nodes_flow.drain(stage.panel, stage.admin, "one")
    await until(lambda: running(swarm, service) == ["manager", "manager"], within_s=60)
    await until(lambda: _checked(stage, NodeState.DRAINED), within_s=60)
    await nodes_flow.activate(stage.panel, stage.admin, "one")
    assert await state_of(stage) is NodeState.ACTIVE

    # Silent, it is inactive after three missed heartbeats; it comes back by itself.
    machine.run("python3", "/opt/skypanel/agent", "stop")
    await until(lambda: _checked(stage, NodeState.INACTIVE), within_s=60)
    async with stage.panel.transaction() as conn:
        assert [alert.message for alert in await alerts.open_(conn)] == ["The node one has sent no heartbeat for 30 s."]
    assert await _availability(stage, machine) is Availability.DRAIN
    machine.run("python3", "/opt/skypanel/agent", "start", "/etc/skypanel/agent.json")
    await until(lambda: _is(stage, NodeState.ACTIVE), within_s=60)
    assert await _availability(stage, machine) is Availability.ACTIVE

    # Provisioned again, nothing is done twice.
    await nodes_flow.provision(stage.panel, stage.admin, "one")
    await provision.work(stage.panel, "worker")
    again = stage.panel.output.texts(node_stream(node.id))
    assert "-----> It is already a member of the Swarm" in again
    assert any(line.endswith("is already there") and "The image" in line for line in again)

    await nodes_flow.remove(stage.panel, stage.admin, "one")
    await provision.work(stage.panel, "worker")
    await until(lambda: _removed(stage), within_s=60)
    assert machine.node.client.info()["Swarm"]["LocalNodeState"] == "inactive"
    assert [member.name for member in await stage.panel.swarm.members()] == ["manager"]
    assert machine.run("sh", "-c", "ls /etc/skypanel").strip() == ""
    assert running(swarm, service) == ["manager", "manager"]
    service.remove()


async def prints_and_stops(swarm, stage, node):
    """What a dyno of a node prints is in the app's log, also once it is gone; it is told to stop through the agent."""
    app = await apps_flow.access(stage.panel, stage.admin, "hello", Action.VIEW_APP)
    labels = {swarm_spec.APP: str(app.id), swarm_spec.PROCESS_TYPE: "web"}
    command = ["sh", "-c", "trap 'echo told; exit 1' TERM; echo serving; while :; do sleep 0.1; done"]
    image_id = swarm.client.api.inspect_image(stage.panel.swarm.stack_images[0])["Id"]
    service = swarm.client.services.create(
        image_id, command, name="dyno", labels=labels, container_labels=labels, constraints=[f"node.id=={node.member_id}"]
    )
    await until(lambda: ("web.1", "serving") in stage.panel.logs.lines.get(app.id, []), within_s=60)
    [container] = [task["Status"]["ContainerStatus"]["ContainerID"] for task in service.tasks({"desired-state": "running"})]
    await stopping.stop_elsewhere(stage.panel.database, node.member_id, container)
    await until(lambda: ("web.1", "told") in stage.panel.logs.lines[app.id])
    await until(lambda: stage.panel.logs.lines[app.id].count(("web.1", "serving")) == 2)
    service.remove()


@pytest.fixture
def bare(swarm, tmp_path):
    made = BareMachine(swarm.bridge, tmp_path / "bare")
    yield made
    made.remove()


@pytest.mark.req("R5.2")
async def test_a_machine_with_nothing_but_debian_becomes_a_node(swarm, bare, stage):
    node = await added(stage, bare)
    await nodes_flow.provision(stage.panel, stage.admin, "one")
    await provision.work(stage.panel, "worker")
    said = "\n".join(stage.panel.output.texts(node_stream(node.id)))
    assert "Installing docker.io, python3, zstd" in said, said
    assert "one is a node now" in said, said
    assert await state_of(stage) is NodeState.ACTIVE
    assert {member.name: member.is_ready for member in await stage.panel.swarm.members()}["bare"]


async def test_a_machine_without_apt_is_left_as_it_is_with_what_to_do(bare, stage):
    (bare.root / "usr/bin/apt-get").unlink()
    before = sorted(path.name for path in (bare.root / "opt").iterdir())
    node = await added(stage, bare)
    await nodes_flow.provision(stage.panel, stage.admin, "one")
    await provision.work(stage.panel, "worker")
    said = "\n".join(stage.panel.output.texts(node_stream(node.id)))
    assert "has no apt-get, so Docker and Python 3.9 and zstd cannot be installed on it." in said, said
    assert "Install that yourself, then provision the node again." in said
    async with stage.panel.transaction() as conn:
        failed = await nodes.by_name(conn, "one")
    assert failed.state is NodeState.PENDING
    assert "has no apt-get" in failed.error
    assert sorted(path.name for path in (bare.root / "opt").iterdir()) == before


async def _is(stage, state):
    return await state_of(stage) is state


async def _checked(stage, state):
    await watch.check(stage.panel)
    return await state_of(stage) is state


async def _removed(stage):
    await watch.check(stage.panel)
    await provision.work(stage.panel, "worker")
    return await state_of(stage) is None


async def _reports(stage, containers):
    [found], _ = await nodes_flow.overview(stage.panel, stage.admin)
    return found.node.report.containers == containers


async def _availability(stage, machine):
    return next(member.availability for member in await stage.panel.swarm.members() if member.name == machine.node.name)
