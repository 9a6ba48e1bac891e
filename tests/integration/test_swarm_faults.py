"""What becomes of dynos when a node or the manager's daemon dies. The Swarm is this module's own."""

import asyncio
import gc
import secrets
import subprocess
from collections import Counter
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import aiohttp
import pytest

from skypanel.domain.errors import Unavailable
from skypanel.domain.manifest import DynoState
from skypanel.domain.node import Availability
from skypanel.domain.routing import Route
from skypanel.drivers.docker.images import SlugImages
from skypanel.drivers.storage.s3 import S3Objects
from skypanel.drivers.swarm.nodes import SwarmNodes
from tests.contracts.scheduler import READY_S, SERVE, launched
from tests.fixtures.launcher import SERVER, stored_slug
from tests.fixtures.swarm import engine, nodes_of_the_module, objects, running_engine
from tests.support.small_image import NAME
from tests.support.until import until

__all__ = ["engine", "nodes_of_the_module", "objects"]

HOST = "contract.localhost"
RESCHEDULED_S = 90


@asynccontextmanager
async def asked(engine, host):
    """Ask the ingress for a page again and again, and count what comes of it."""
    seen, stop = Counter(), asyncio.Event()

    async def ask():
        while not stop.is_set():
            try:
                seen[(await engine.get(host))[0]] += 1
            except (aiohttp.ClientError, TimeoutError) as error:
                seen[type(error).__name__] += 1

    asking = asyncio.create_task(ask())
    try:
        yield seen
    finally:
        stop.set()
        await asking


async def routed(engine, app, manifest, host):
    """Wait until a release is ready and the ingress leads to it, and return its dynos."""
    dynos = await engine.scheduler.wait_ready(manifest, READY_S)
    await engine.router.confirm([Route(app.id, (host,), tuple(dyno.endpoint for dyno in dynos))])
    return dynos


async def up(engine, manifest):
    return [dyno for dyno in await engine.scheduler.dynos(manifest.app_id) if dyno.state is DynoState.UP]


async def test_dynos_of_a_node_that_dies_start_on_another(engine, objects, nodes):
    app, manifest = await launched(engine.scheduler, objects, {"web": (SERVE, 2)})
    lost = {dyno.endpoint for dyno in await routed(engine, app, manifest, HOST)}

    async def both_run_on_what_is_left():
        return len({dyno.endpoint for dyno in await up(engine, manifest)} - lost) == 1 and len(await up(engine, manifest)) == 2

    async with asked(engine, HOST) as seen:
        nodes.second.kill()
        await until(both_run_on_what_is_left, RESCHEDULED_S)
        served = seen[200]
        await until(lambda: seen[200] >= served + 20)
        before = Counter(seen)
        await until(lambda: seen[200] >= served + 60)
    # What failed did so while Swarm still took the node for alive.
    assert seen - before == Counter({200: seen[200] - before[200]})
    nodes.second.start()
    await engine.scheduler.remove(app.id)


async def test_a_node_that_is_drained_and_removed_loses_no_request(engine, objects, nodes):
    app, manifest = await launched(engine.scheduler, objects, {"web": (SERVE, 2)})
    members = SwarmNodes(nodes.docker.url, [NAME])
    before = {dyno.endpoint for dyno in await routed(engine, app, manifest, HOST)}
    (node,) = [member for member in await members.members() if member.name == "second"]

    async def is_empty():
        return not next(member.tasks for member in await members.members() if member.id == node.id)

    async def moved():
        now = {dyno.endpoint for dyno in await up(engine, manifest)}
        return len(now) == 2 and len(now & before) == 1

    async with asked(engine, HOST) as seen:
        await until(lambda: seen[200] >= 20)
        await members.set_availability(node.id, Availability.DRAIN)
        await until(is_empty, RESCHEDULED_S)
        await until(moved, RESCHEDULED_S)
        nodes.second.client.swarm.leave()
        await members.remove(node.id)
        gone = seen[200]
        await until(lambda: seen[200] >= gone + 20)
    nodes.second.join(nodes.docker.manager)
    assert seen == Counter({200: seen[200]})
    await engine.scheduler.remove(app.id)


class SmallDisk:
    """A disk with hardly any room, until it grows."""

    def __init__(self, folder):
        self.folder = folder
        folder.mkdir()
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", folder], check=True)

    def grow(self):
        subprocess.run(["mount", "-o", "remount,size=64m", self.folder], check=True)

    def remove(self):
        subprocess.run(["umount", self.folder], check=True)


@pytest.fixture
def small_disk(tmp_path):
    made = SmallDisk(tmp_path / "small")
    yield made
    made.remove()


async def test_a_full_disk_where_slugs_are_unpacked_is_told_and_what_runs_goes_on(engine, objects, small_disk):
    app, manifest = await launched(engine.scheduler, objects, {"web": (SERVE, 1)})
    await routed(engine, app, manifest, HOST)
    images = SlugImages(engine.api, objects, NAME, small_disk.folder)
    large = await stored_slug(objects, {"noise": secrets.token_hex(400_000)})
    with pytest.raises(Unavailable, match=r"The disk where slugs are unpacked is full\. Free some space"):
        await images.stage(app.id, large)
    assert list(small_disk.folder.iterdir()) == []
    assert (await engine.get(HOST))[0] == 200
    small_disk.grow()
    assert (await images.stage(app.id, large)).startswith("sha256:")
    await engine.scheduler.remove(app.id)


async def test_dynos_start_while_s3_is_down_if_their_slug_was_staged_and_are_told_of_it_if_not(nodes, s3, tmp_path):
    objects = S3Objects(s3.storage, tmp_path / "scratch")
    async with running_engine(nodes, objects, tmp_path / "engine") as engine:
        app, manifest = await launched(engine.scheduler, objects, {"web": (SERVE, 2)})
        await routed(engine, app, manifest, HOST)
        s3.stop()
        again = replace(manifest, generation=manifest.generation + 1)
        await engine.scheduler.stage(app, again.slug_digest)
        await engine.scheduler.launch(again)
        assert len(await engine.scheduler.wait_ready(again, READY_S)) == 2
        with pytest.raises(Unavailable, match=r"The object storage at .* does not answer"):
            await engine.scheduler.stage(app, "0" * 64)
        assert (await engine.get(HOST))[0] == 200
        s3.start()
        await engine.scheduler.stage(app, await stored_slug(objects, {"server.py": SERVER, "newer": ""}))
        await engine.scheduler.remove(app.id)
    await objects.close()


# The SDK leaves a socket that it could not connect.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
async def test_a_daemon_that_dies_in_a_rollout_is_told_and_its_dynos_come_back(engine, objects, nodes):
    app, manifest = await launched(engine.scheduler, objects, {"worker": ("sleep 1000", 1)})
    await engine.scheduler.wait_ready(manifest, READY_S)
    _, newer = await launched(engine.scheduler, objects, {"web": ("sleep 1000", 1)}, app=app, version=2)
    waiting = asyncio.create_task(engine.scheduler.wait_ready(newer, READY_S))
    await asyncio.sleep(0)
    nodes.docker.manager.kill()
    with pytest.raises(Unavailable, match="Docker does not answer"):
        await waiting
    # The kernel takes its time to give up a network whose processes are gone.
    await until(lambda: not Path("/sys/class/net", nodes.docker.manager._link).exists())  # noqa: SLF001
    nodes.docker.manager.start()

    async def is_up():
        try:
            return [dyno for dyno in await up(engine, manifest) if dyno.key.version == 1]
        except Unavailable:
            return []

    await until(is_up, RESCHEDULED_S)
    await engine.scheduler.retire(manifest)
    assert {dyno.key.version for dyno in await engine.scheduler.dynos(app.id) if dyno.state is not DynoState.STOPPING} == {1}

    async def is_removed():
        # The other node takes its time to find the manager again, and to say what stopped.
        try:
            await engine.scheduler.remove(app.id)
        except Unavailable:
            return False
        return True

    await until(is_removed, RESCHEDULED_S)
    gc.collect()
