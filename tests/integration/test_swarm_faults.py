"""What becomes of dynos when a node or the manager's daemon dies. The Swarm is this module's own."""

import asyncio
from collections import Counter
from pathlib import Path

import aiohttp
import pytest

from skypanel.domain.errors import Unavailable
from skypanel.domain.manifest import DynoState
from skypanel.domain.routing import Route
from tests.contract_scheduler import READY_S, SERVE, launched
from tests.fakes import FakeObjects
from tests.swarm_fixture import nodes, running_engine
from tests.until import until

__all__ = ["nodes"]

HOST = "contract.localhost"
RESCHEDULED_S = 90


@pytest.fixture
def objects():
    return FakeObjects()


@pytest.fixture
async def engine(nodes, objects, tmp_path):
    async with running_engine(nodes, objects, tmp_path) as made:
        yield made


async def up(engine, manifest):
    return [dyno for dyno in await engine.scheduler.dynos(manifest.app_id) if dyno.state is DynoState.UP]


async def test_dynos_of_a_node_that_dies_start_on_another(engine, objects, nodes):
    app, manifest = await launched(engine.scheduler, objects, {"web": (SERVE, 2)})
    dynos = await engine.scheduler.wait_ready(manifest, READY_S)
    await engine.router.confirm([Route(app.id, (HOST,), tuple(dyno.endpoint for dyno in dynos))])
    lost = {dyno.endpoint for dyno in dynos}
    seen, stop = Counter(), asyncio.Event()

    async def ask():
        while not stop.is_set():
            try:
                seen[(await engine.get(HOST))[0]] += 1
            except (aiohttp.ClientError, TimeoutError) as error:
                seen[type(error).__name__] += 1

    asking = asyncio.create_task(ask())
    nodes.second.kill()

    async def both_run_on_what_is_left():
        return len({dyno.endpoint for dyno in await up(engine, manifest)} - lost) == 1 and len(await up(engine, manifest)) == 2

    await until(both_run_on_what_is_left, RESCHEDULED_S)
    served = seen[200]
    await until(lambda: seen[200] >= served + 20)
    before = Counter(seen)
    await until(lambda: seen[200] >= served + 60)
    stop.set()
    await asking
    # What failed did so while Swarm still took the node for alive.
    assert seen - before == Counter({200: seen[200] - before[200]})
    nodes.second.start()
    await engine.scheduler.remove(app.id)


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
