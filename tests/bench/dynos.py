"""A launcher with many dynos: how soon it says what runs, and what it takes where nothing happens; and one slug after the other."""

import asyncio
import os
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from time import perf_counter

from skypanel.drivers.sandbox.scheduler import ProcessScheduler
from skypanel.host.listening import cpu_s
from tests.bench.figures import Figure, percentile, single
from tests.bench.stage import Stage
from tests.fakes.objects import FakeObjects
from tests.fixtures.launcher import RunningLauncher, make_app, make_manifest, running_launcher, stored_slug

DYNOS = (50, 200)
LISTS = 200
REST_S = 10.0
READY_S = 300.0


def many(_stage: Stage) -> list[Figure]:
    """Start 50 dynos and then 200; ask what runs, and wait a moment."""
    with running_launcher(root=os.geteuid() == 0) as launcher, asyncio.Runner() as runner:
        return runner.run(_many(launcher))


async def _many(launcher: RunningLauncher) -> list[Figure]:
    objects = FakeObjects()
    scheduler = launcher.scheduler(objects)
    manifest = make_manifest(make_app(), await stored_slug(objects), {"worker": ("exec sleep 3600", 0)})
    found: list[Figure] = []
    for number in DYNOS:
        wanted = replace(manifest, processes=(replace(manifest.processes[0], quantity=number),))
        await scheduler.launch(wanted)
        await scheduler.wait_ready(wanted, READY_S)
        found += await _at_rest(launcher, scheduler, number)
    await scheduler.remove(manifest.app_id)
    return found


async def _at_rest(launcher: RunningLauncher, scheduler: ProcessScheduler, number: int) -> list[Figure]:
    times = [await _timed(scheduler.dynos) for _ in range(LISTS)]
    before = _cpu_s(launcher)
    await asyncio.sleep(REST_S)
    used = (_cpu_s(launcher) - before) / REST_S * 100
    return [
        single(f"dynos.list.p50.{number}", times),
        single(f"dynos.list.p99.{number}", [percentile(times, 0.99)]),
        single(f"dynos.rest.{number}", [used], "% of a core"),
    ]


async def _timed(act: Callable[[], Awaitable[object]]) -> float:
    began = perf_counter()
    await act()
    return perf_counter() - began


def _cpu_s(launcher: RunningLauncher) -> float:
    return cpu_s(Path("/proc", str(launcher.pid), "stat").read_text())
