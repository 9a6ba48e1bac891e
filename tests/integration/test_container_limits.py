"""Builds in containers that mean harm."""

import asyncio
import time
from dataclasses import replace

import pytest

from skypanel.domain.limits import MIB
from skypanel.drivers.docker.builder import ContainerBuilder
from skypanel.host.allowed import parse_allowed
from skypanel.ports.builder import Step
from tests.contracts.builder import LIMITS, output, reaches, shell, text
from tests.fixtures.container import builder, holdings, listening, site
from tests.fixtures.launcher import ENVIRONMENT, make_app
from tests.integration.test_sandbox_limits import FILL_DISK, FILL_MEMORY
from tests.support.kernel_calls import EXPECTED, PROBE, expected_of_docker, outcomes

__all__ = ["builder", "site"]

MANY_FILES = "mkdir /app/d; cd /app/d; exec python3 -c 'import itertools\nfor n in itertools.count(): open(str(n), \"x\").close()'"
BOMB = "import os\nwhile True:\n    try: os.fork()\n    except OSError: pass"


@pytest.mark.parametrize("script", [FILL_MEMORY, f"({FILL_MEMORY}); sleep 1; exit 0"], ids=["itself", "a child"])
async def test_memory(builder, script):
    async with builder.workspace(make_app(), LIMITS) as workspace:
        exit_, _ = await output(workspace, shell(script))
        assert exit_.reason == "it used more than 256 MiB of memory"
        # the limit was the whole workspace's
        assert (await output(workspace, shell("true")))[0] == exit_


@pytest.mark.parametrize("script", [FILL_DISK.replace("{folder}", folder) for folder in ("app", "tmp", "env")] + [MANY_FILES])
async def test_disk(builder, script):
    async with builder.workspace(make_app(), LIMITS) as full, builder.workspace(make_app(), LIMITS) as neighbour:
        began = time.monotonic()
        exit_, _ = await output(full, shell(script))
        assert exit_.reason == "it wrote more than 64 MiB to disk"
        assert time.monotonic() - began < 60
        assert (await output(neighbour, shell("head -c 1000000 /dev/zero > /app/file")))[0].ok


async def test_a_disk_that_was_filled_in_a_moment_ends_the_build_too(builder):
    async with builder.workspace(make_app(), LIMITS) as workspace:
        exit_, _ = await output(workspace, shell("head -c 100000000 /dev/zero > /app/file"))
        assert exit_.reason == "it wrote more than 64 MiB to disk"


async def test_nothing_else_can_be_written(builder):
    async with builder.workspace(make_app(), LIMITS) as workspace:
        places = "/ /etc /usr /var /run /buildpacks /etc/ssl/certs /dev /sys"
        assert await text(workspace, shell(f"for place in {places}; do touch $place/x 2>/dev/null && echo $place; done; true")) == ""


async def test_time_holds_over_all_steps_whatever_they_ignore(builder):
    async with builder.workspace(make_app(), replace(LIMITS, timeout_s=6)) as workspace:
        began = time.monotonic()
        assert (await output(workspace, shell("sleep 1")))[0].ok
        exit_, lines = await output(workspace, shell("trap '' TERM; echo on; while true; do sleep 1; done"))
        assert (exit_.reason, lines) == ("it ran longer than 6 seconds", ["on"])
        assert time.monotonic() - began < 60
        assert (await output(workspace, shell("true")))[0] == exit_


async def test_a_fork_bomb_goes_with_its_step(builder, swarm):
    async with builder.workspace(make_app(), replace(LIMITS, timeout_s=5)) as workspace:
        exit_, _ = await output(workspace, shell(f"exec python3 -c '{BOMB}'"))
        assert exit_.reason == "it ran longer than 5 seconds"
        async with builder.workspace(make_app(), LIMITS) as neighbour:
            assert (await output(neighbour, shell("true")))[0].ok
    assert holdings(swarm.client) == ([], [])


async def test_an_endless_line_comes_in_pieces(builder):
    longest = 0

    async def write(line):
        nonlocal longest
        longest = max(longest, len(line))

    async with builder.workspace(make_app(), replace(LIMITS, timeout_s=5)) as workspace:
        exit_ = await workspace.run(shell("yes | tr -d '\\n'"), write)
    assert (exit_.reason, longest) == ("it ran longer than 5 seconds", 16384)


async def test_a_flood_of_output_is_only_as_fast_as_its_reader(builder):
    seen = 0

    async def slow(_):
        nonlocal seen
        seen += 1
        await asyncio.sleep(0)

    async with builder.workspace(make_app(), LIMITS) as workspace:
        exit_ = await workspace.run(shell("yes | head -100000"), slow)
    assert (exit_.ok, seen) == (True, 100_000)


async def test_a_build_has_no_rights(builder):
    async with builder.workspace(make_app(), LIMITS) as workspace:
        rights = await text(workspace, shell("id -u; grep -E 'CapEff|CapBnd|NoNewPrivs' /proc/self/status"))
        assert rights.split() == ["1000", "CapEff:", "0" * 16, "CapBnd:", "0" * 16, "NoNewPrivs:", "1"]
        assert not (await output(workspace, shell("unshare --user --map-root-user true 2>/dev/null")))[0].ok
        assert (
            await text(workspace, shell("find / -xdev -type s 2>/dev/null; ls /var/run/docker.sock /run/docker.sock 2>/dev/null; true"))
            == ""
        )
        assert await text(workspace, shell("find / -xdev -perm /6000 -type f 2>/dev/null; true")) == ""


async def test_what_a_build_asks_of_the_kernel_is_filtered(builder):
    async with builder.workspace(make_app(), LIMITS) as workspace:
        exit_, lines = await output(workspace, Step(("python3", "-c", PROBE), ENVIRONMENT))
        assert exit_.ok, lines
        found = outcomes(lines)
        assert found == expected_of_docker(EXPECTED, found)


async def test_a_build_does_not_reach_the_panel_nor_anybody_private(builder, swarm):
    """The panel listens on all addresses of the daemon's machine; this machine's bridge is somebody else's private address."""
    async with builder.workspace(make_app(), LIMITS) as workspace:
        gateway = (await text(workspace, shell("ip route | grep -oP 'default via \\K\\S+'", network=True))).strip()
        with listening(swarm.manager) as port:
            for address in (gateway, swarm.address, "127.0.0.1", "172.19.0.1", "169.254.169.254"):
                assert not await reaches(workspace, address, port), address


async def test_a_setting_lets_a_build_reach_what_is_private(swarm, site):
    allowing = ContainerBuilder(swarm.url, replace(site, allowed=(parse_allowed(f"{swarm.address}/32"),)))
    async with allowing.workspace(make_app(), LIMITS) as workspace:
        with listening(swarm.manager) as port:
            assert await reaches(workspace, swarm.address, port)
            # the rules are not a build's to change, and a step without a network has none
            assert not (await output(workspace, shell("nft flush ruleset 2>/dev/null", network=True)))[0].ok
            assert await text(workspace, shell("cd /sys/class/net; echo *")) == "lo\n"
    await allowing.close()


async def test_builds_do_not_reach_each_other(builder):
    serve = "echo up; exec python3 -m http.server 8000"
    up = asyncio.Event()

    async def write(_):
        up.set()

    async with builder.workspace(make_app(), LIMITS) as server, builder.workspace(make_app(), LIMITS) as client:
        address = (await text(server, shell("hostname -I", network=True))).strip()
        serving = asyncio.create_task(server.run(shell(serve, network=True), write))
        await asyncio.wait_for(up.wait(), 60)
        assert not await reaches(client, address, 8000)
        serving.cancel()
        await asyncio.wait({serving})


async def test_half_a_processor_is_half_a_processor(builder):
    script = "import os,time\nend=time.monotonic()+2\nwhile time.monotonic()<end: pass\nprint(sum(os.times()[:2]))"
    async with builder.workspace(make_app(), replace(LIMITS, cpu_cores=0.5)) as workspace:
        assert float(await text(workspace, shell(f"exec python3 -c '{script}'"))) < 1.4


async def test_shared_memory_is_bounded(builder):
    async with builder.workspace(make_app(), replace(LIMITS, memory_bytes=512 * MIB)) as workspace:
        assert not (await output(workspace, shell("head -c 100000000 /dev/zero > /dev/shm/x 2>/dev/null")))[0].ok
