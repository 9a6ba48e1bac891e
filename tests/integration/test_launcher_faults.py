"""What is left when a part of it all is killed, and who is turned away."""

import asyncio
import os
import signal
import socket
import stat
import sys
from contextlib import ExitStack, closing

import pytest

from skypanel.domain.errors import Invalid, Unavailable
from skypanel.drivers.sandbox.launcher import Launcher
from skypanel.host.protocol import Tenant, limits_message, tenant_message
from skypanel.ports.builder import StepFailed
from tests.contracts.builder import LIMITS, host_address, output, reaches, shell, text
from tests.contracts.scheduler import READY_S, SERVE, launched
from tests.fakes.objects import FakeObjects
from tests.fixtures.launcher import MODES, ROOT, launcher, make_app, make_manifest, own_launcher, running_launcher
from tests.support.leaks import NOTHING, holdings, returned, settled
from tests.support.until import until

__all__ = ["launcher", "own_launcher"]

# Runs a step that goes on for ever, and says when it does.
CLIENT = """
import asyncio, sys
from pathlib import Path
from skypanel.drivers.sandbox.builder import BubblewrapBuilder
from skypanel.drivers.sandbox.launcher import Launcher
from tests.contracts.builder import LIMITS, shell
from tests.fixtures.launcher import make_app

async def main():
    async def write(text):
        print(text, flush=True)
    async with BubblewrapBuilder(Launcher(Path(sys.argv[1]))).workspace(make_app(), LIMITS) as workspace:
        await workspace.run(shell("setsid sleep 1000 & echo runs; sleep 1000", network=True), write)

asyncio.run(main())
"""


@pytest.fixture
def objects():
    return FakeObjects()


async def test_a_client_that_is_killed_leaves_nothing(own_launcher):
    before = await settled(own_launcher)
    client = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", CLIENT, str(own_launcher.socket)),
        cwd=ROOT,
        user=own_launcher.panel_uid if os.geteuid() == 0 else None,
        stdout=asyncio.subprocess.PIPE,
    )
    assert await client.stdout.readline() == b"runs\n"
    assert holdings(own_launcher) != before
    client.kill()
    await client.wait()
    await returned(own_launcher, before)


async def test_a_client_that_goes_away_at_any_moment_leaves_nothing(own_launcher):
    before = await settled(own_launcher)

    async def build():
        async with own_launcher.builder.workspace(make_app(), LIMITS) as workspace:
            for _ in range(10):
                await output(workspace, shell("sleep 0.01", network=True))

    for moment in range(20):
        task = asyncio.create_task(build())
        await asyncio.wait({task}, timeout=moment * 0.01)
        task.cancel()
        await asyncio.wait({task})
    await returned(own_launcher, before)
    await build()


async def test_sigterm_ends_everything(own_launcher, objects):
    scheduler = own_launcher.scheduler(objects)
    _, manifest = await launched(scheduler, objects, {"web": (SERVE, 1), "worker": ("trap '' TERM; while true; do sleep 0.1; done", 1)})
    await scheduler.wait_ready(manifest, READY_S)
    async with own_launcher.builder.workspace(make_app(), LIMITS) as workspace:
        step = asyncio.create_task(output(workspace, shell("sleep 1000", network=True)))
        await until(lambda: len(holdings(own_launcher).processes) > 9)
        assert own_launcher.stop() == 0
        with pytest.raises(Unavailable):
            await step
    assert holdings(own_launcher) == NOTHING
    assert not own_launcher.socket.exists()


async def test_a_launcher_that_was_killed_is_cleared_up_after_by_the_next(own_launcher, objects):
    scheduler = own_launcher.scheduler(objects)
    _, manifest = await launched(scheduler, objects, {"web": (SERVE, 1), "worker": ("trap '' TERM; while true; do sleep 0.1; done", 1)})
    await scheduler.wait_ready(manifest, READY_S)
    own_launcher.stop(signal.SIGKILL)
    await until(lambda: not holdings(own_launcher).processes)
    own_launcher.start()
    assert await scheduler.dynos() == []
    await until(lambda: not (holdings(own_launcher).loops or holdings(own_launcher).links))
    assert not holdings(own_launcher).cgroups
    assert not holdings(own_launcher).files
    await scheduler.launch(manifest)
    await scheduler.wait_ready(manifest, READY_S)
    assert own_launcher.stop() == 0
    assert holdings(own_launcher) == NOTHING


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
async def test_the_next_launcher_gives_a_dynos_address_to_nobody(objects, number):
    """A route that is still in force leads to nobody then, and not to another app."""
    with running_launcher(root=MODES[0] == "root") as one:
        endpoints = []
        for _ in range(3):
            scheduler = one.scheduler(objects)
            _, manifest = await launched(scheduler, objects, {"web": (SERVE, 2)})
            endpoints += [dyno.endpoint for dyno in await scheduler.wait_ready(manifest, READY_S)]
            one.stop(number)
            await until(lambda: not holdings(one).processes)
            one.start()
        assert len(set(endpoints)) == 6


async def test_what_belongs_to_apps_is_closed_to_other_users(own_launcher, objects):
    app, manifest = await launched(own_launcher.scheduler(objects), objects, {"web": (SERVE, 1)})
    async with own_launcher.builder.workspace(make_app(), LIMITS) as workspace:
        await output(workspace, shell("echo secret > /env/SECRET; echo kept > /cache/kept"))
        own = own_launcher.home / "launcher"
        slug = own / "slugs" / str(app.id) / manifest.slug_digest / "server.py"
        images = list(own.rglob("*.img"))
        assert slug.is_file()
        assert stat.S_IMODE(own.stat().st_mode) == 0o700
        assert {path.name for path in own_launcher.home.iterdir()} == {"launcher", "logs"}
        assert {stat.S_IMODE(image.stat().st_mode) for image in images} <= {0o600}
        assert bool(images) == own_launcher.root
        if os.geteuid() == 0:
            stranger = await asyncio.create_subprocess_exec(
                "head", "-c1", *map(str, (slug, *images)), user=65533, stdout=asyncio.subprocess.PIPE
            )
            assert (await stranger.communicate())[0] == b""


async def test_a_folder_that_somebody_put_in_the_launchers_place_is_refused(own_launcher, tmp_path):
    own = own_launcher.home / "launcher"
    assert own_launcher.stop() == 0
    own.rename(own.with_name("away"))
    own.symlink_to(own.with_name("away"))
    assert await starts(own_launcher) != 0
    own.unlink()
    if os.geteuid() == 0:
        own.mkdir()
        os.chown(own, 65533, 65533)
        assert await starts(own_launcher) != 0
        assert own.stat().st_uid == 65533


async def starts(launcher):
    """Return how a launcher ended that is not to start."""
    refused = await asyncio.create_subprocess_exec(*launcher.argv(), cwd=ROOT, stderr=asyncio.subprocess.DEVNULL)
    try:
        async with asyncio.timeout(60):
            return await refused.wait()
    finally:
        if refused.returncode is None:
            refused.kill()


async def test_a_second_launcher_of_a_home_is_turned_away(own_launcher):
    second = await asyncio.create_subprocess_exec(*own_launcher.argv(), cwd=ROOT, stderr=asyncio.subprocess.PIPE)
    _, complaint = await second.communicate()
    assert second.returncode != 0
    assert b"is already running" in complaint
    assert "root" in await own_launcher.client.ask({"do": "features"})


async def test_two_launchers_run_side_by_side(objects):
    app = make_app()
    with ExitStack() as stack:
        both = [stack.enter_context(running_launcher(root=mode == "root")) for mode in (MODES[0], MODES[-1])]
        for one in both:
            scheduler = one.scheduler(objects)
            _, manifest = await launched(scheduler, objects, {"web": (SERVE, 1)}, app=app)
            await scheduler.wait_ready(manifest, READY_S)
        assert both[0].stop() == 0
        (dyno,) = await both[1].scheduler(objects).wait_ready(manifest, READY_S)
        assert dyno.restarts == 0


async def test_what_is_allowed_is_reached_and_nothing_beside_it():
    """A setting opens one port of the host."""
    host = host_address()
    with closing(socket.create_server(("0.0.0.0", 0))) as allowed, closing(socket.create_server(("0.0.0.0", 0))) as other:
        port, other_port = allowed.getsockname()[1], other.getsockname()[1]
        with running_launcher(root=MODES[0] == "root", allow=(f"{host}/32:{port}",)) as one:
            async with one.builder.workspace(make_app(), LIMITS) as workspace:
                assert await reaches(workspace, host, port)
                assert not await reaches(workspace, host, other_port)


class TestRequests:
    async def test_strangers_are_turned_away(self, launcher):
        stranger = await asyncio.create_subprocess_exec(
            *(sys.executable, "-c", CLIENT, str(launcher.socket)),
            cwd=ROOT,
            user=65533 if os.geteuid() == 0 else None,
            stderr=asyncio.subprocess.PIPE,
        )
        _, complaint = await stranger.communicate()
        assert b"Unavailable" in complaint

    async def test_what_is_no_request_is_refused_and_harms_nobody(self, launcher):
        tenant = tenant_message(Tenant(make_app().id, 1))
        start = {"do": "start", "key": {**tenant, "version": 1}, "tenant": tenant}
        for message in (
            None,
            [],
            {},
            {"do": "nothing"},
            {"do": "list"},
            {"do": "list", "app_id": "../../etc"},
            {"do": "list", "app_id": None, "more": 1},
            {"do": "staged", "tenant": tenant, "digest": "../" * 20},
            {"do": "staged", "tenant": {**tenant, "number": -1}, "digest": "0" * 64},
            {"do": "stage", "tenant": tenant, "digest": "0" * 64},
            {"do": "step", "argv": ["true"], "environment": {}, "directory": "/", "network": False},
            {"do": "workspace", "tenant": tenant, "limits": {**limits_message(LIMITS), "pids": 10**9}, "digest": None},
            start,
        ):
            with pytest.raises(Invalid):
                await launcher.client.ask(message)
        assert "root" in await launcher.client.ask({"do": "features"})

    async def test_a_dyno_without_its_slug_is_refused(self, launcher, objects):
        manifest = make_manifest(make_app(), "0" * 64, {"web": ("true", 1)})
        with pytest.raises(Unavailable):
            await launcher.scheduler(objects).launch(manifest)

    async def test_a_step_whose_program_is_missing_fails(self, launcher):
        async with launcher.builder.workspace(make_app(), LIMITS) as workspace:
            with pytest.raises(StepFailed) as failed:
                await text(workspace, shell("exec /no/such/program"))
            assert failed.value.exit.code == 127

    async def test_a_launcher_that_says_nothing_is_not_waited_for(self, tmp_path):
        with closing(socket.socket(socket.AF_UNIX)) as silent:
            silent.bind(str(tmp_path / "socket"))
            silent.listen()
            with pytest.raises(Unavailable, match=r"did not answer within 0\.2 s"):
                await Launcher(tmp_path / "socket").ask({"do": "features"}, 0.2)

    async def test_a_launcher_that_is_not_there(self, tmp_path):
        with pytest.raises(Unavailable):
            await Launcher(tmp_path / "none").ask({"do": "features"})
