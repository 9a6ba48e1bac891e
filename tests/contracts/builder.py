"""The contract of the port Builder. A subclass provides the fixture `builder`."""

import asyncio
import platform
import socket
from contextlib import closing
from importlib.metadata import version

import pytest

from skypanel.domain.limits import MIB, Limits
from skypanel.domain.manifest import Exit
from skypanel.ports.builder import Step, StepFailed
from tests.fixtures.launcher import ENVIRONMENT, make_app

PLATFORM = f"{platform.machine()}-unknown-linux-gnu"
LIMITS = Limits(cpu_cores=1.0, memory_bytes=256 * MIB, pids=64, disk_bytes=64 * MIB, timeout_s=60, cache_bytes=16 * MIB)


def shell(script, **changes):
    return Step(("bash", "-c", script), {**ENVIRONMENT, **changes.pop("environment", {})}, **changes)


async def output(workspace, step, stdin=None):
    """Run a step, and return its exit and its lines."""
    lines = []

    async def write(text):
        lines.append(text)

    exit_ = await workspace.run(step, write, stdin)
    return exit_, lines


async def text(workspace, step):
    return b"".join([chunk async for chunk in workspace.read(step)]).decode()


async def fed(*chunks):
    for chunk in chunks:
        yield chunk


def host_address():
    with closing(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as probe:
        probe.connect(("203.0.113.1", 9))
        return probe.getsockname()[0]


async def reaches(workspace, address, port):
    """Whether a sandbox with network access can open a TCP connection."""
    script = f"timeout 2 bash -c 'exec 3<>/dev/tcp/{address}/{port}' 2>/dev/null"
    return (await output(workspace, shell(script, network=True)))[0].ok


class BuilderContract:
    async def test_a_step_runs_to_its_end_line_by_line(self, builder):
        async with builder.workspace(make_app(), LIMITS) as workspace:
            exit_, lines = await output(workspace, shell("echo one; echo two >&2; exit 3"))
            assert (exit_.code, exit_.reason, exit_.ok) == (3, None, False)
            assert lines == ["one", "two"]

    async def test_lines_are_text_whatever_a_program_prints(self, builder):
        async with builder.workspace(make_app(), LIMITS) as workspace:
            _, lines = await output(workspace, shell(r"printf '10%%\r20%%\r\n\xff\n'; head -c 20000 /dev/zero | tr '\0' x; printf '\nend'"))
            assert lines == ["20%", "\ufffd", "x" * 16384, "x" * (20000 - 16384), "end"]

    async def test_a_step_reads_what_it_is_fed(self, builder):
        async with builder.workspace(make_app(), LIMITS) as workspace:
            exit_, lines = await output(workspace, shell("wc -c"), fed(b"x" * 300_000, b"y"))
            assert (exit_.ok, lines) == (True, ["300001"])

    async def test_a_step_need_not_read_what_it_is_fed(self, builder):
        async with builder.workspace(make_app(), LIMITS) as workspace:
            exit_, _ = await output(workspace, shell("exec <&-; true"), fed(*[b"x" * 100_000] * 20))
            assert exit_.ok

    async def test_an_error_of_what_feeds_a_step_is_the_callers(self, builder):
        async def broken():
            yield b"half"
            raise LookupError

        async with builder.workspace(make_app(), LIMITS) as workspace:
            with pytest.raises(LookupError):
                await output(workspace, shell("cat"), broken())
            assert (await output(workspace, shell("echo on")))[1] == ["on"]

    async def test_steps_share_the_workspace_and_nothing_of_the_process_before(self, builder):
        async with builder.workspace(make_app(), LIMITS) as workspace:
            await output(workspace, shell("echo kept > /app/file; sleep 1000 & disown"))
            assert await text(workspace, shell("cat /app/file; cat /proc/[0-9]*/comm | grep -xc sleep || true")) == "kept\n0\n"

    async def test_a_step_ends_without_what_it_left_in_the_background(self, builder):
        async with asyncio.timeout(60), builder.workspace(make_app(), LIMITS) as workspace:
            left = "sleep 1000 & setsid nohup sleep 1000 & (trap '' HUP TERM; while :; do sleep 1; done) &"
            assert await output(workspace, shell(f"{left} echo end; exit 3")) == (Exit(3), ["end"])
            assert await text(workspace, shell(f"{left} echo end")) == "end\n"
            assert await text(workspace, shell("cat /proc/[0-9]*/comm | grep -xc sleep || true")) == "0\n"

    async def test_stdout_is_read_as_it_is_and_stderr_is_kept_for_the_error(self, builder):
        async with builder.workspace(make_app(), LIMITS) as workspace:
            assert await text(workspace, shell(r"printf '\0\1\r\n'; echo no >&2")) == "\0\1\r\n"
            with pytest.raises(StepFailed) as failed:
                await text(workspace, shell("echo half; echo broken >&2; exit 4"))
            assert failed.value.exit.code == 4
            assert failed.value.__notes__ == ["broken"]

    async def test_who_stops_reading_can_run_the_next_step(self, builder):
        async with builder.workspace(make_app(), LIMITS) as workspace:
            async for _ in workspace.read(shell("yes")):
                break
            assert await text(workspace, shell("echo next")) == "next\n"

    async def test_a_step_has_the_environment_and_directory_it_is_given_and_no_other(self, builder):
        async with builder.workspace(make_app(), LIMITS) as workspace:
            step = Step(("env",), {"PATH": "/usr/bin", "A": "1\n2"}, directory="/tmp")
            assert sorted((await text(workspace, step)).splitlines()) == ["2", "A=1", "PATH=/usr/bin", "PWD=/tmp"]

    @pytest.mark.req("R17.3")
    async def test_the_cache_is_the_apps_and_all_else_is_gone(self, builder):
        mine, other = make_app(), make_app()
        async with builder.workspace(mine, LIMITS) as workspace:
            assert (await output(workspace, shell("touch /cache/kept /app/gone /env/gone /tmp/gone")))[0].ok
        async with builder.workspace(other, LIMITS) as workspace:
            assert await text(workspace, shell("find /cache -name kept")) == ""
        async with builder.workspace(mine, LIMITS) as workspace:
            assert await text(workspace, shell("ls -A /cache; ls /app /env /tmp | grep gone || true")) == "kept\n"

    async def test_a_cache_may_grow_over_what_is_kept_and_is_kept_as_far_as_that(self, builder):
        app = make_app()
        for found, name, mib in ((set(), "fits", 12), ({"fits"}, "large", 48), (set(), "fits", 1)):
            async with builder.workspace(app, LIMITS) as workspace:
                assert set((await text(workspace, shell("ls -A /cache"))).split()) == found
                assert await output(workspace, shell(f"head -c {mib}M /dev/zero > /cache/{name}")) == (Exit(0), [])

    async def test_a_build_that_fills_its_cache_is_told_so_and_the_next_one_has_room(self, builder):
        app = make_app()
        async with builder.workspace(app, LIMITS) as workspace:
            exit_, _ = await output(workspace, shell("head -c 200M /dev/zero > /cache/file"))
            assert exit_.reason == "it filled its cache of 80 MiB; the next build begins with an empty one"
        async with builder.workspace(app, LIMITS) as workspace:
            assert await text(workspace, shell("ls -A /cache")) == ""

    async def test_the_buildpacks_are_there_to_be_read(self, builder):
        async with builder.workspace(make_app(), LIMITS) as workspace:
            assert "python" in await text(workspace, shell("ls /buildpacks"))
            assert (await output(workspace, shell("test -x /buildpacks/python/bin/detect && ! touch /buildpacks/x 2>/dev/null")))[0].ok

    async def test_the_panels_own_tools_are_there_to_be_run(self, builder):
        async with builder.workspace(make_app(), LIMITS) as workspace:
            assert await text(workspace, shell("/tools/uv --version")) == f"uv {version('uv')} ({PLATFORM})\n"
            assert (await output(workspace, shell("! touch /tools/x 2>/dev/null && ! cp /bin/true /tools/uv 2>/dev/null")))[0].ok
