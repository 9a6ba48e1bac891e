"""What dynos on a Swarm reach, from each of two real nodes."""

import re
import subprocess
from contextlib import contextmanager

import pytest

from skypanel.domain.errors import Unavailable
from skypanel.domain.manifest import DynoState
from skypanel.drivers.swarm.guard import SwarmGuard
from skypanel.host.allowed import parse_allowed
from tests.contracts.scheduler import READY_S, SERVE, ignore, launched
from tests.fixtures.container import listening
from tests.fixtures.launcher import make_app, make_manifest, stored_slug
from tests.fixtures.swarm import engine, objects
from tests.support.small_image import NAME
from tests.support.until import until

__all__ = ["engine", "objects"]

PUBLIC = "203.0.113.77"  # a documentation address (RFC 5737), for the time of a test this machine's
METADATA = "169.254.169.254"
TRY = "timeout 5 bash -c 'exec 3<>/dev/tcp/$0/$1; printf \"GET / HTTP/1.0\\r\\n\\r\\n\" >&3; grep -qs . <&3' {} {} 2>/dev/null"


@pytest.fixture
async def guard(engine):
    """Make guards of the engine's panel; there is one at a time."""
    made = []

    def make(*allowed):
        made.append(SwarmGuard(engine.api, engine.panel, NAME, tuple(map(parse_allowed, allowed))))
        return made[-1]

    yield make
    for each in made:
        await each.remove()


@contextmanager
def serving(docker, *addresses):
    """Have somebody answer on this machine, which is neither node, at addresses of the nodes' bridge; yield the port."""
    for address in addresses:
        subprocess.run(["ip", "address", "add", f"{address}/32", "dev", docker.bridge.name], check=True)
    try:
        with listening_here(docker.bridge.address) as port:
            yield port
    finally:
        for address in addresses:
            subprocess.run(["ip", "address", "delete", f"{address}/32", "dev", docker.bridge.name], check=True)


@contextmanager
def listening_here(address):
    argv = ["python3", "-u", "-m", "http.server", "0", "--bind", "0.0.0.0", "--directory", "/proc/self/fdinfo"]
    server = subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    try:
        yield int(server.stdout.readline().split(" port ")[1].split()[0])
    finally:
        server.kill()
        server.wait()
        server.stdout.close()


async def containers(engine, app):
    """Return the containers of an app's dynos, by the node that each is on; there is one on each."""

    def found():
        filters = {"label": [f"skypanel.app={app.id}"], "desired-state": ["running"]}
        tasks = engine.nodes.docker.client.api.tasks(filters=filters)
        return len(tasks) == 2 and all(task["Status"]["State"] == "running" for task in tasks) and tasks

    made = dict(engine.container(task) for task in await until(found, 30))
    assert set(made) == set(engine.nodes.nodes)
    return made


def reaches(container, address, port):
    return container.exec_run(["bash", "-c", TRY.format(address, port)]).exit_code == 0


def gateway(container):
    """Return where a container's packets go that leave its organization's network: an address of its node's own."""
    routes = container.exec_run(["cat", "/proc/net/route"]).output.decode().splitlines()
    (found,) = [line.split()[2] for line in routes if line.split()[1] == "00000000"]
    return ".".join(map(str, reversed(bytes.fromhex(found))))


def addresses(container):
    return container.exec_run(["hostname", "-I"]).output.decode().split()


async def test_dynos_reach_the_internet_and_what_is_allowed_and_nothing_private_on_any_node(engine, objects, nodes, guard):
    app, manifest = await launched(engine.scheduler, objects, {"worker": ("sleep 1000", 2)})
    await engine.scheduler.wait_ready(manifest, READY_S)
    dynos = await containers(engine, app)
    bridge = nodes.docker.bridge.address
    with serving(nodes.docker, PUBLIC, METADATA) as port, listening(nodes.docker.manager) as managers, listening(nodes.second) as seconds:
        private = [(bridge, port), (METADATA, port), (nodes.docker.address, managers), (nodes.second.address, seconds)]
        own = {nodes.docker.manager: managers, nodes.second: seconds}
        for node, dyno in dynos.items():
            private += [(gateway(dyno), own[node])]
        # Without the guard a dyno reaches all of that: what is refused below is refused by it.
        assert all(reaches(dynos[nodes.docker.manager], *target) for target in private[:4])
        await guard().ensure()
        for node, dyno in dynos.items():
            assert {target: reaches(dyno, *target) for target in private} == dict.fromkeys(private, False), node.name
            assert reaches(dyno, PUBLIC, port), node.name
        await guard(f"{bridge}/32:{port}", f"{nodes.docker.address}/32").ensure()
        for dyno in dynos.values():
            assert reaches(dyno, bridge, port)
            assert reaches(dyno, nodes.docker.address, managers)
            assert not reaches(dyno, nodes.second.address, seconds)
            assert not reaches(dyno, METADATA, port)


async def test_dynos_reach_each_other_within_an_organization_alone(engine, objects, guard):
    await guard().ensure()
    mine, serving_ = await launched(engine.scheduler, objects, {"web": (SERVE, 2)})
    strange, other = await launched(engine.scheduler, objects, {"worker": ("sleep 1000", 2)})
    for manifest in (serving_, other):
        await engine.scheduler.wait_ready(manifest, READY_S)
    servers, strangers = await containers(engine, mine), await containers(engine, strange)
    everywhere = [address for server in servers.values() for address in addresses(server)]
    assert len(everywhere) >= 4  # each has one in its organization's network, and one on its node's bridge
    for node, stranger in strangers.items():
        assert [address for address in everywhere if reaches(stranger, address, 5000)] == [], node.name
    here, there = servers.values()
    assert any(reaches(here, address, 5000) for address in addresses(there))


async def answers(engine, status):
    """Whether the ingress answers so for a host that has no app; it says 404 until it has read its routes."""
    return (await engine.get("nobody.localhost"))[0] == status


async def test_a_request_to_a_dyno_whose_network_is_gone_does_not_leave_the_machine(engine, nodes, guard):
    """The ingress's way out answers visitors and opens nothing, whatever dynos may reach."""
    await engine.ingress.ensure()
    docker, gone = nodes.docker, "10.43.255.9"  # of Swarm's own addresses, one that no network has

    def leaves(port):
        argv = ["bash", "-c", f"{TRY.format(gone, port)} && echo out || echo refused"]
        said = docker.client.containers.run(NAME, argv, network_mode=f"container:{engine.ingress.name}", remove=True)
        return said.decode().strip() == "out"

    with serving(docker, gone) as port:
        assert leaves(port)
        await guard("10.0.0.0/8").ensure()
        assert not leaves(port)
        await until(lambda: answers(engine, 503))


FILL = """
import os, sys, time
time.sleep(1.5)
if sys.argv[1:] == ["stubborn"]:
    os.remove("/dev/shm/skypanel.pid")
with open("/app/large", "wb") as file:
    for _ in range(100):
        file.write(bytes(1024 * 1024))
print("written", flush=True)
time.sleep(1000)
"""


@pytest.mark.parametrize("temper", ["", "stubborn"])
async def test_a_dyno_that_writes_more_than_its_plan_allows_is_stopped_on_any_node_and_told_why(engine, objects, guard, temper):
    await guard().ensure()
    app = make_app()
    digest = await stored_slug(objects, {"fill.py": FILL})
    manifest = make_manifest(
        app, digest, {"worker": (f"python3 fill.py {temper}", 2), "small": ("head -c 30M /dev/zero > x; sleep 1000", 1)}
    )
    await engine.scheduler.stage(app, digest)
    await engine.scheduler.launch(manifest)
    # One that keeps the guard from telling it to stop is killed, as are those that use too much memory.
    reason = "was stopped: it used more than" if temper else "was stopped: it wrote more than 64 MiB to disk"

    async def both_were_stopped():
        workers = [dyno for dyno in await engine.scheduler.dynos(app.id) if dyno.key.process_type == "worker"]
        return sum((dyno.reason or "").startswith(reason) for dyno in workers) == 2

    async def small_is_up():
        (small,) = [dyno for dyno in await engine.scheduler.dynos(app.id) if dyno.key.process_type == "small"]
        return (small.state, small.restarts) == (DynoState.UP, 0)

    await until(both_were_stopped)
    await until(small_is_up)


async def test_a_one_off_dyno_that_writes_too_much_is_told_so(engine, objects, guard):
    await guard().ensure()
    manifest = make_manifest(make_app(), await stored_slug(objects, {"fill.py": FILL}), {})
    exit_ = await engine.scheduler.run(manifest, "python3 fill.py", ignore, 60.0)
    assert exit_.reason == "it wrote more than 64 MiB to disk"


async def test_rules_that_somebody_removed_come_back(engine, nodes, guard):
    await guard().ensure()
    table = f"skypanel_{engine.panel}"
    nodes.second.call("nft", "delete", "table", "inet", table)

    def are_back():
        return table in nodes.second.call("nft", "list", "tables").stdout

    await until(are_back, 30)


async def test_a_node_that_cannot_have_the_rules_is_named(engine, nodes):
    node = nodes.docker.add_node("bare")
    guard = SwarmGuard(engine.api, engine.panel, NAME, ())
    try:
        # A busy Swarm takes a while until it says why.
        await until(lambda: _refuses(guard, r"could not be isolated on bare \(.*No such image.*docker service logs"), 120)
    finally:
        await guard.remove()
        node.client.swarm.leave(force=True)
        await until(lambda: _is_removed(nodes, "bare"), 60)


async def _refuses(guard, why):
    with pytest.raises(Unavailable) as refused:
        await guard.ensure(timeout_s=15)
    return re.search(why, str(refused.value))


def _is_removed(nodes, name):
    client = nodes.docker.client.api
    (found,) = [node for node in client.nodes() if node["Description"]["Hostname"] == name]
    return found["Status"]["State"] == "down" and (client.remove_node(found["ID"], force=True) or True)
