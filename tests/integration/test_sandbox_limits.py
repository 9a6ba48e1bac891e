"""Each limit of a sandbox, run over."""

import asyncio
import time
from dataclasses import replace

import pytest

from skypanel.domain.limits import MIB
from tests.contracts.builder import LIMITS, output, shell, text
from tests.fixtures.launcher import launcher, make_app
from tests.support.leaks import returned, settled

__all__ = ["launcher"]

FILL_MEMORY = "exec python3 -c 'kept = []\nwhile True: kept.append(bytes(1000000))'"
FILL_DISK = "while true; do head -c 1000000 /dev/zero > /{folder}/$RANDOM$RANDOM 2>/dev/null; done"


@pytest.fixture
def builder(launcher):
    return launcher.builder


async def test_memory(builder):
    async with builder.workspace(make_app(), LIMITS) as workspace:
        exit_, _ = await output(workspace, shell(FILL_MEMORY))
        assert exit_.reason == "it used more than 256 MiB of memory"
        # the limit was the whole workspace's
        assert (await output(workspace, shell("true")))[0] == exit_


async def test_memory_of_a_child_whose_parent_does_not_mind(builder):
    async with builder.workspace(make_app(), LIMITS) as workspace:
        exit_, _ = await output(workspace, shell(f"({FILL_MEMORY}); sleep 5; exit 0"))
        assert exit_.reason == "it used more than 256 MiB of memory"


@pytest.mark.parametrize("folder", ["app", "tmp", "env"])
async def test_disk(builder, folder):
    async with builder.workspace(make_app(), LIMITS) as full, builder.workspace(make_app(), LIMITS) as neighbour:
        began = time.monotonic()
        exit_, _ = await output(full, shell(FILL_DISK.replace("{folder}", folder)))
        assert exit_.reason == "it wrote more than 64 MiB to disk"
        assert time.monotonic() - began < 60
        assert (await output(neighbour, shell("head -c 1000000 /dev/zero > /app/file")))[0].ok


async def test_a_full_disk_is_noticed_within_two_seconds(builder):
    async with builder.workspace(make_app(), LIMITS) as workspace:
        step = shell("head -c 200000000 /dev/zero > /app/file 2>/dev/null; date +%s.%N; sleep 100")
        lines = []

        async def write(text):
            lines.append(float(text))

        exit_ = await workspace.run(step, write)
        assert exit_.reason == "it wrote more than 64 MiB to disk"
        assert not lines or time.time() - lines[0] < 20


async def test_time_holds_over_all_steps(builder):
    async with builder.workspace(make_app(), replace(LIMITS, timeout_s=6)) as workspace:
        began = time.monotonic()
        assert (await output(workspace, shell("sleep 1")))[0].ok
        exit_, lines = await output(workspace, shell("trap '' TERM; echo on; sleep 100"))
        assert (exit_.reason, lines) == ("it ran longer than 6 seconds", ["on"])
        assert time.monotonic() - began < 60
        assert (await output(workspace, shell("true")))[0] == exit_


async def test_processes(builder):
    script = "import os,time\nfor n in range(200):\n    try: os.fork() or time.sleep(100)\n    except OSError: break\nprint(n)"
    async with builder.workspace(make_app(), LIMITS) as workspace:
        assert LIMITS.pids - 8 < int(await text(workspace, shell(f"exec python3 -c '{script}'"))) < LIMITS.pids


async def test_a_fork_bomb_goes_with_its_step(builder, launcher):
    async with builder.workspace(make_app(), replace(LIMITS, timeout_s=3)) as workspace:
        before = await settled(launcher)
        bomb = "import os\nwhile True:\n    try: os.fork()\n    except OSError: pass"
        exit_, _ = await output(workspace, shell(f"exec python3 -c '{bomb}'"))
        assert exit_.reason == "it ran longer than 3 seconds"
        await returned(launcher, before)
        async with builder.workspace(make_app(), LIMITS) as neighbour:
            assert (await output(neighbour, shell("true")))[0].ok


async def test_cpu(builder, launcher):
    """As root: half a core is half a core. Without control groups nothing holds it."""
    half = replace(LIMITS, cpu_cores=0.5)
    script = "import os,time\nend=time.monotonic()+2\nwhile time.monotonic()<end: pass\nprint(sum(os.times()[:2]))"
    async with builder.workspace(make_app(), half) as workspace:
        used = float(await text(workspace, shell(f"exec python3 -c '{script}'")))
        assert used < (1.3 if launcher.root else 3.0)


async def test_shared_memory_is_bounded(builder):
    async with builder.workspace(make_app(), replace(LIMITS, memory_bytes=512 * MIB)) as workspace:
        assert not (await output(workspace, shell("head -c 100000000 /dev/zero > /dev/shm/x 2>/dev/null")))[0].ok


async def test_a_flood_of_output_is_only_as_fast_as_its_reader(builder):
    async with builder.workspace(make_app(), LIMITS) as workspace:
        seen = 0

        async def slow(text):
            nonlocal seen
            seen += 1
            await asyncio.sleep(0)

        exit_ = await workspace.run(shell("yes | head -100000"), slow)
        assert (exit_.ok, seen) == (True, 100_000)
