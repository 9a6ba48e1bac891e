"""Dynos as a Swarm's tasks, on two real nodes."""

import asyncio
import gc
import json
import pickle
import re
import subprocess
import sys
import time
from collections import Counter
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from uuid import uuid4

import pytest

from skypanel.domain.dyno_errors import MEMORY_EXCEEDED, boot_timeout
from skypanel.domain.errors import Unavailable
from skypanel.domain.limits import MIB
from skypanel.domain.manifest import ONE_OFF_LIFE_S, DynoState, OneOff, Window
from skypanel.drivers.docker.api import DockerApi
from skypanel.drivers.docker.images import SlugImages
from skypanel.drivers.swarm import run as swarm_run
from skypanel.drivers.swarm.scheduler import SwarmOptions, SwarmScheduler
from skypanel.drivers.swarm.services import Services
from skypanel.drivers.swarm.spec import network_name
from skypanel.ports.scheduler import Unready
from tests.contracts.metrics import MetricsContract
from tests.contracts.scheduler import (
    READY_S,
    SERVE,
    RestartLoopContract,
    SchedulerContract,
    everything,
    has_one_offs,
    keys,
    launched,
    no_dynos,
    no_one_offs,
)
from tests.fixtures.docker import run_in
from tests.fixtures.launcher import SERVER, make_app, make_manifest, stored_slug
from tests.fixtures.swarm import BOOT_S, STOP_GRACE_S, engine, objects
from tests.support.small_image import NAME
from tests.support.until import until

__all__ = ["engine", "objects"]

ROOT = Path(__file__).parents[2]
CANARY = "canary-4b1f6c"
FINISH = """
import signal, sys, time
signal.signal(15, lambda *_: (time.sleep(0.5), print("finished", flush=True), sys.exit()))
print("ready", flush=True)
time.sleep(1000)
"""
HOLD = """
import asyncio, pickle, sys
from skypanel.domain.manifest import OneOff
from skypanel.drivers.docker.api import DockerApi
from skypanel.drivers.swarm.run import OneOffs
url, panel, manifest, image = pickle.load(sys.stdin.buffer)
async def hold():
    async with OneOffs(DockerApi(url), panel).attach(manifest, OneOff(1234, "sleep 1000"), image):
        await asyncio.sleep(1000)
asyncio.run(hold())
"""
MEASURE = """
import asyncio, pickle, sys
from skypanel.domain.report import parse
from skypanel.drivers.docker.api import DockerApi
from skypanel.drivers.swarm.metrics import SwarmMetrics
from workers.agent.docker import Docker
from workers.agent.machine import HostMetrics
kind, url, panel = sys.argv[1:]
here, agent = SwarmMetrics(DockerApi(url), panel), HostMetrics(Docker(url))
for _ in sys.stdin:
    pickle.dump(list(asyncio.run(here.measure()) if kind == "panel" else parse(agent.report()).dynos), sys.stdout.buffer)
    sys.stdout.buffer.flush()
"""
PRINT = """python3 -c 'import os; print(repr(os.environ["9_"]))'"""
# Something on the way may answer for an address that nobody has: only the app's own words count.
TRY = (
    "timeout 5 bash -c 'exec 3<>/dev/tcp/{}/{}; printf \"GET / HTTP/1.0\\r\\n\\r\\n\" >&3; cat <&3' 2>/dev/null"
    " | grep -q hello && echo reached || echo refused"
)


@pytest.fixture
def scheduler(engine):
    return engine.scheduler


class OnBothNodes:
    """What the panel measures on its machine, and the agent on the other node: both in the namespaces of a node, as processes there."""

    def __init__(self, engine):
        self._processes = [self._start(kind, node, engine.panel) for kind, node in zip(("panel", "agent"), engine.nodes.nodes, strict=True)]

    def _start(self, kind, node, panel):
        inside = ("nsenter", f"--mount=/proc/{node.pid}/ns/mnt", f"--pid=/proc/{node.pid}/ns/pid_for_children")
        argv = [*inside, sys.executable, "-c", MEASURE, kind, node.url, panel]
        return subprocess.Popen(argv, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    async def measure(self):
        return [use for process in self._processes for use in await asyncio.to_thread(self._ask, process)]

    def _ask(self, process):
        process.stdin.write(b"\n")
        process.stdin.flush()
        return pickle.load(process.stdout)

    def close(self):
        for process in self._processes:
            process.communicate()


@pytest.fixture
def metrics(engine):
    made = OnBothNodes(engine)
    yield made
    made.close()


class TestSwarmScheduler(SchedulerContract, RestartLoopContract):
    pass


class TestSwarmMetrics(MetricsContract):
    pass


async def one_off(scheduler, manifest, command, timeout_s=60.0, **names):
    lines = []

    async def write(text):
        lines.append(text)

    return await scheduler.run(manifest, command, write, timeout_s, **names), lines


def services(engine, app):
    return engine.nodes.docker.client.api.services(filters={"label": [f"skypanel.app={app.id}"]})


def tasks(engine, app):
    found = engine.nodes.docker.client.api.tasks(filters={"label": [f"skypanel.app={app.id}"], "desired-state": ["running"]})
    return sorted(found, key=lambda task: task["Slot"])


def written(engine, app):
    (service,) = services(engine, app)
    logs = engine.nodes.docker.client.api.service_logs(service["ID"], stdout=True, stderr=True)
    return b"".join(logs).decode().splitlines()


class TestServices:
    @pytest.mark.req("R6.4")
    @pytest.mark.req("R15.3")
    async def test_a_process_type_is_a_service_whose_dynos_are_spread_over_the_nodes(self, engine, scheduler, objects):
        app, manifest = await launched(scheduler, objects, {"web": (SERVE, 2), "worker": ("sleep 1000", 4)})
        await scheduler.wait_ready(manifest, READY_S)
        replicas = {
            service["Spec"]["Labels"]["skypanel.process-type"]: service["Spec"]["Mode"]["Replicated"]["Replicas"]
            for service in services(engine, app)
        }
        assert replicas == {"web": 2, "worker": 4}
        assert {"hello"} & {service["Spec"]["Name"] for service in services(engine, app)} == set()
        of_type = Counter((task["Spec"]["ContainerSpec"]["Labels"]["skypanel.process-type"], task["NodeID"]) for task in tasks(engine, app))
        assert sorted(of_type.values()) == [1, 1, 2, 2]

    @pytest.mark.req("R6.5")
    @pytest.mark.req("R15.2")
    async def test_scaling_updates_the_service_and_starts_nothing_anew(self, engine, scheduler, objects):
        app, manifest = await launched(scheduler, objects, {"web": (SERVE, 1)})
        (first,) = await scheduler.wait_ready(manifest, READY_S)
        for quantity in (3, 1):
            manifest = replace(manifest, processes=(replace(manifest.processes[0], quantity=quantity),))
            await scheduler.launch(manifest)
            (service,) = services(engine, app)
            assert service["Spec"]["Mode"]["Replicated"]["Replicas"] == quantity
            dynos = await scheduler.wait_ready(manifest, READY_S)
            assert [dyno.key.name for dyno in dynos] == [f"web.{index}" for index in range(1, quantity + 1)]
            assert quantity == 1 or first in dynos
            await scheduler.retire(manifest)
            assert keys(await scheduler.dynos(app.id)) == set(manifest.dynos())

    async def test_an_app_that_another_organization_has_moves_into_its_network(self, engine, scheduler, objects):
        app, before = await launched(scheduler, objects, {"web": (SERVE, 1)})
        await scheduler.wait_ready(before, READY_S)
        after = replace(before, organization_id=uuid4(), generation=before.generation + 2)
        await scheduler.launch(after)
        await scheduler.wait_ready(after, READY_S)
        await scheduler.retire(after)
        (service,) = services(engine, app)
        network = engine.nodes.docker.client.api.inspect_network(network_name(after.organization_id), scope="swarm")
        assert [each["Target"] for each in service["Spec"]["TaskTemplate"]["Networks"]] == [network["Id"]]
        assert service["Spec"]["Labels"]["skypanel.organization"] == str(after.organization_id)
        await scheduler.remove(app.id)

    async def test_the_network_of_an_organization_that_is_gone_goes_after_its_last_dyno(self, engine, scheduler, objects):
        owned = Services(engine.api, engine.panel)
        app, before = await launched(scheduler, objects, {"web": (SERVE, 1)})
        await scheduler.wait_ready(before, READY_S)
        after = replace(before, organization_id=uuid4(), generation=before.generation + 2)
        await scheduler.launch(after)
        await scheduler.wait_ready(after, READY_S)

        async def has_network(of):
            await owned.forget_networks({after.organization_id}, young_s=0)
            return network_name(of.organization_id) in {each["Name"] for each in await owned.networks()}

        # The old dynos serve, and then stop: neither is cut off.
        assert await has_network(before)
        await scheduler.retire(after)
        assert await has_network(before)

        async def is_gone():
            return not await has_network(before)

        await until(is_gone, within_s=60)
        assert await has_network(after)
        assert [dyno.state.value for dyno in await scheduler.dynos(app.id)] == ["up"]
        await scheduler.remove(app.id)

    async def test_a_dyno_has_its_limits_its_user_and_no_rights(self, engine, scheduler, objects, nodes):
        app, manifest = await launched(scheduler, objects, {"worker": ("id -u; grep CapEff /proc/self/status; sleep 1000", 1)})
        await scheduler.wait_ready(manifest, READY_S)
        (task,) = tasks(engine, app)
        _, container = engine.container(task)
        config = container.attrs["HostConfig"]
        assert (config["Memory"], config["NanoCpus"], config["PidsLimit"]) == (128 * MIB, 1_000_000_000, 64)
        assert config["LogConfig"] == {"Type": "json-file", "Config": {"max-size": "10m", "max-file": "3"}}
        await until(lambda: {"1000", "CapEff:\t0000000000000000"} <= set(written(engine, app)))
        assert task["Spec"]["Resources"]["Reservations"] == {"NanoCPUs": 500_000_000, "MemoryBytes": 64 * MIB}

    async def test_config_vars_are_nowhere_but_in_the_dyno(self, engine, scheduler, objects, nodes):
        app, manifest = await launched(scheduler, objects, {"web": (SERVE, 2)}, config_vars={"GREETING": CANARY, "9_": "a\nb'\"$HOME"})
        await scheduler.wait_ready(manifest, READY_S)
        client = nodes.docker.client
        shown = [services(engine, app), tasks(engine, app), client.api.secrets(filters={"label": [f"skypanel.app={app.id}"]})]
        for task in tasks(engine, app):
            _, container = engine.container(task)
            shown += [container.attrs, container.top(ps_args="-eo pid,args"), container.diff()]
            assert run_in(container, "grep", "-q", CANARY, "/proc/1/environ") == 1
            assert run_in(container, "grep", "-q", "DYNO=", "/proc/1/environ") == 0
        assert CANARY not in json.dumps(shown)
        exit_, lines = await one_off(scheduler, manifest, f"echo $GREETING; {PRINT}; env; pwd", process_type="release")
        assert exit_.ok
        assert lines[:2] == [CANARY, repr("a\nb'\"$HOME")]
        assert {"DYNO=release.1", "PS=release.1", "HOME=/app", "PORT=5000", "/app"} <= set(lines)
        await scheduler.remove(app.id)
        assert client.api.secrets(filters={"label": [f"skypanel.app={app.id}"]}) == []

    async def test_apps_of_another_organization_are_unreachable(self, scheduler, objects):
        app, manifest = await launched(scheduler, objects, {"web": (SERVE, 2)})
        endpoints = [dyno.endpoint.split(":") for dyno in await scheduler.wait_ready(manifest, READY_S)]
        commands = "; ".join(TRY.format(*endpoint) for endpoint in endpoints)
        sibling = make_manifest(replace(make_app(), organization_id=app.organization_id), manifest.slug_digest, {})
        stranger = make_manifest(make_app(), manifest.slug_digest, {})
        assert (await one_off(scheduler, sibling, commands))[1] == ["reached", "reached"]
        assert (await one_off(scheduler, stranger, commands))[1] == ["refused", "refused"]
        for each in (sibling, stranger):
            await scheduler.remove(each.app_id)

    async def test_two_panels_share_a_swarm(self, engine, scheduler, objects, tmp_path):
        app, manifest = await launched(scheduler, objects, {"worker": ("sleep 1000", 1)})
        other = SwarmScheduler(engine.api, "other", SlugImages(engine.api, objects, NAME, tmp_path))
        assert await other.dynos() == []
        await other.remove(app.id)
        await scheduler.wait_ready(manifest, READY_S)

    async def test_a_dyno_restarts_while_the_panel_and_its_storage_are_down(self, engine, scheduler, objects):
        app, manifest = await launched(scheduler, objects, {"web": (SERVE, 1)})
        await scheduler.wait_ready(manifest, READY_S)
        objects.stored.clear()
        (before,) = tasks(engine, app)
        _, container = engine.container(before)
        container.kill()
        (after,) = await until(lambda: [task for task in tasks(engine, app) if task["ID"] != before["ID"]], within_s=90)
        await until(lambda: engine.nodes.docker.client.api.inspect_task(after["ID"])["Status"]["State"] == "running", within_s=90)

    async def test_images_that_nothing_runs_are_forgotten_but_one(self, nodes, scheduler, objects):
        app = make_app()
        for version in range(1, 4):
            digest = await stored_slug(objects, {"server.py": SERVER, f"file{version}": ""})
            manifest = make_manifest(app, digest, {"worker": ("sleep 1000", 1)}, version=version)
            await scheduler.stage(app, digest)
            await scheduler.launch(manifest)
            await scheduler.wait_ready(manifest, READY_S)
            await scheduler.retire(manifest)

        async def two_are_left():
            # The containers of the older ones take their time to go.
            await scheduler.retire(manifest)
            return len(nodes.docker.client.images.list(f"skypanel-app-{app.id.hex}")) == 2

        await until(two_are_left)
        await scheduler.remove(app.id)
        assert nodes.docker.client.images.list(f"skypanel-app-{app.id.hex}") == []


def elsewhere(place):
    return rf"^listens on {place}, which the proxy cannot reach: its \$PORT is 5000\. Bind to 0\.0\.0\.0 and the port in \$PORT\.$"


CRASHED = "State changed from starting to crashed"


async def logged(scheduler, key, *texts):
    """Whether the platform has said these lines of a dyno."""
    told = [line.partition(" skypanel[web.1]: ")[2] for line in await scheduler.last_lines(key)]
    return set(texts) <= set(told)


class TestEnds:
    @pytest.mark.parametrize(
        ("command", "reason", "line"),
        [
            ("exit 3", r"^exited with status 3 before it listened on \$PORT\.$", "Process exited with status 3"),
            ("ADDRESS=127.0.0.1 python3 server.py", elsewhere(r"127\.0\.0\.1:5000"), CRASHED),
            ("ADDRESS=0.0.0.0 PORT=8000 python3 server.py", elsewhere(r"0\.0\.0\.0:8000"), CRASHED),
            ("sleep 1000", r"^did not listen on \$PORT in time\. Bind to 0", boot_timeout(BOOT_S)),
            ("python3 -c 'bytearray(400_000_000)'", "^was stopped: it used more than 128 MiB of memory.$", MEMORY_EXCEEDED),
        ],
        ids=["exits", "loopback", "another-port", "never-listens", "memory"],
    )
    async def test_the_owner_is_told_why_a_web_dyno_is_not_ready(self, scheduler, objects, command, reason, line):
        _, manifest = await launched(scheduler, objects, {"web": (command, 1)})
        with pytest.raises(Unready) as unready:
            await scheduler.wait_ready(manifest, READY_S)
        assert (unready.value.dyno, bool(re.match(reason, unready.value.reason))) == ("web.1", True), unready.value.reason
        key = manifest.dynos()[0]
        await until(lambda: logged(scheduler, key, line, CRASHED), within_s=60)

    async def test_a_worker_that_ends_at_once_is_told(self, scheduler, objects):
        app, manifest = await launched(scheduler, objects, {"worker": ("true", 1)})
        with pytest.raises(Unready, match=r"worker\.1: exited with status 0 right after its start"):
            await scheduler.wait_ready(manifest, READY_S)
        dyno = await until(lambda: crashed(scheduler, app))
        assert dyno.reason == "exited with status 0"

    async def test_a_slug_that_a_node_lacks_and_room_that_no_node_has_are_told(self, engine, objects, tmp_path):
        scheduler = SwarmScheduler(engine.api, engine.panel, engine.images, SwarmOptions("dnsrr", STOP_GRACE_S))
        app = make_app()
        manifest = make_manifest(app, await stored_slug(objects, {"server.py": SERVER, str(app.id): ""}), {"web": (SERVE, 2)})
        await scheduler.launch(manifest)
        with pytest.raises(Unready, match="did not start: its slug is not on the node that was to run it"):
            await scheduler.wait_ready(manifest, READY_S)
        large = replace(manifest.limits, memory_bytes=10**14)
        _, manifest = await launched(scheduler, objects, {"web": (SERVE, 1)}, limits=large)
        with pytest.raises(Unready, match=r"cannot be placed on any node: .*insufficient resources"):
            await scheduler.wait_ready(manifest, 30)

    async def test_a_dyno_finishes_its_work_after_sigterm_and_one_that_ignores_it_is_killed(self, engine, scheduler, objects):
        stubborn = "trap '' TERM; echo ready; while true; do sleep 0.1; done"
        for command, status in (("python3 finish.py", 0), (stubborn, 137)):
            app = make_app()
            manifest = make_manifest(app, await stored_slug(objects, {"finish.py": FINISH}), {"worker": (command, 1)})
            await scheduler.stage(app, manifest.slug_digest)
            await scheduler.launch(manifest)
            await scheduler.wait_ready(manifest, READY_S)
            await until(lambda app=app: "ready" in written(engine, app))
            (task,) = tasks(engine, app)
            _, container = engine.container(task)
            ending = asyncio.create_task(asyncio.to_thread(container.wait))
            await scheduler.retire(replace(manifest, processes=()))
            assert (await ending)["StatusCode"] == status
            await until(lambda app=app: no_dynos(scheduler, app.id))

    async def test_a_one_off_dyno_is_bounded(self, scheduler, objects):
        manifest = make_manifest(make_app(), await stored_slug(objects), {})
        exit_, lines = await one_off(scheduler, manifest, "echo begin; sleep 1000", 3)
        assert (exit_.reason, lines[0]) == ("it ran longer than 3 seconds", "begin")
        for hungry in ("exec python3 -c 'bytearray(400_000_000)'", "(python3 -c 'bytearray(400_000_000)'); exit 0"):
            exit_, _ = await one_off(scheduler, manifest, hungry)
            assert (exit_.code, exit_.reason) == (137, "it used more than 128 MiB of memory"), hungry
        exit_, _ = await one_off(scheduler, manifest, "exit 3")
        assert (exit_.code, exit_.reason) == (3, None)


class TestOneOffDynos:
    async def test_one_whose_panel_is_killed_ends(self, engine, scheduler, objects):
        manifest = make_manifest(make_app(), await stored_slug(objects), {})
        image = swarm_run.ImagePlacement(
            await engine.images.stage(manifest.app_id, manifest.slug_digest),
            await Services(engine.api, engine.panel).network(manifest.organization_id),
        )
        holder = await asyncio.create_subprocess_exec(sys.executable, "-c", HOLD, stdin=asyncio.subprocess.PIPE)
        holder.stdin.write(pickle.dumps((engine.api.url, engine.panel, manifest, image)))
        holder.stdin.close()
        await until(lambda: has_one_offs(scheduler, manifest.app_id), within_s=60)
        holder.kill()
        await holder.wait()
        await until(lambda: no_one_offs(scheduler, manifest.app_id), within_s=60)
        await scheduler.remove(manifest.app_id)

    async def test_one_that_makes_away_with_its_leash_ends(self, scheduler, objects):
        manifest = make_manifest(make_app(), await stored_slug(objects), {})
        command = "for p in /proc/[0-9]*; do grep -q 'read -r; do' $p/cmdline && kill -KILL ${p#/proc/}; done 2>/dev/null; sleep 1000"
        async with scheduler.attach(manifest, OneOff(1234, command)) as attached:
            assert not (await attached.wait()).ok
        await scheduler.remove(manifest.app_id)

    async def test_nothing_of_its_environment_is_shown_at_its_terminal(self, scheduler, objects):
        manifest = make_manifest(make_app(), await stored_slug(objects), {}, config_vars={"SECRET": CANARY, "LONG": "x" * 20_000})
        async with scheduler.attach(manifest, OneOff(1234, "echo ${#LONG}; stty -a", window=Window(80, 24))) as attached:
            shown = await everything(attached)
        assert shown.startswith(b"20000\r\n")
        assert b" echo " in shown
        assert CANARY.encode() not in shown
        await scheduler.remove(manifest.app_id)

    async def test_a_detached_one_off_dyno_has_nothing_to_read(self, scheduler, objects):
        manifest = make_manifest(make_app(), await stored_slug(objects), {})
        await scheduler.detach(manifest, OneOff(1234, "exec cat"))
        await until(lambda: only_run(scheduler, manifest.app_id))
        await scheduler.remove(manifest.app_id)

    async def test_one_that_nobody_stops_is_ended_after_a_day(self, engine, scheduler, objects):
        manifest = make_manifest(make_app(), await stored_slug(objects), {})
        await scheduler.detach(manifest, OneOff(1234, "exec sleep 1000"))
        for seconds, names in ((ONE_OFF_LIFE_S - 60, ["run.1234"]), (ONE_OFF_LIFE_S + 1, [])):
            await swarm_run.OneOffs(engine.api, engine.panel, now=lambda seconds=seconds: time.time() + seconds).sweep()
            await until(lambda names=names: only_run(scheduler, manifest.app_id, *names))
        await scheduler.remove(manifest.app_id)

    async def test_what_ran_long_enough_is_ended_and_what_ended_is_forgotten(self, engine, scheduler, objects):
        app, client = make_app(), engine.nodes.docker.client
        manifest = make_manifest(app, await stored_slug(objects), {})
        await scheduler.detach(manifest, OneOff(1234, "sleep 1000"))
        await scheduler.detach(manifest, OneOff(1235, "exec sleep 1000", timeout_s=0))
        one_offs = swarm_run.OneOffs(engine.api, engine.panel)
        await one_offs.sweep()
        await until(lambda: only_run(scheduler, app.id, "run.1234"))
        of_app = {"label": [f"skypanel.app={app.id}"]}
        assert len(client.containers.list(all=True, filters=of_app)) == 2
        await one_offs.sweep(kept=timedelta(0))
        assert len(client.containers.list(all=True, filters=of_app)) == 1
        await scheduler.remove(app.id)
        assert client.containers.list(all=True, filters=of_app) == []


async def only_run(scheduler, app_id, *names):
    return [dyno.key.name for dyno in await scheduler.one_offs(app_id)] == list(names)


async def crashed(scheduler, app):
    return next((dyno for dyno in await scheduler.dynos(app.id) if dyno.state is DynoState.CRASHED), None)


class TestWithoutDocker:
    # The SDK leaves a socket that it could not connect.
    @pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
    async def test_no_daemon_and_no_swarm_are_told(self, nodes, objects, tmp_path):
        for url, words in (("unix:///nowhere.sock", "Docker does not answer"), (nodes.second.url, "is not a manager of a Swarm")):
            api = DockerApi(url)
            scheduler = SwarmScheduler(api, uuid4().hex, SlugImages(api, objects, NAME, tmp_path))
            with pytest.raises(Unavailable, match=words):
                await scheduler.dynos()
            await api.close()
        gc.collect()

    async def test_a_slug_that_is_broken_or_missing_is_not_staged(self, scheduler, objects):
        app = make_app()
        broken = await objects.add("slugs", body(b"no archive"))
        with pytest.raises(Unavailable, match="could not be extracted"):
            await scheduler.stage(app, broken.digest)
        with pytest.raises(Unavailable, match="not in storage"):
            await scheduler.stage(app, "0" * 64)


async def body(chunk):
    yield chunk
