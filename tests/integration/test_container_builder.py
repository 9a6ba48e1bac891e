"""Builds in containers do what builds do elsewhere."""

import asyncio
import os
import signal
import sys
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from types import SimpleNamespace
from uuid import uuid4

import pytest

from skypanel.domain.build import Build, BuildState, Source
from skypanel.domain.errors import Unavailable
from skypanel.drivers.docker.builder import ContainerBuilder
from skypanel.flow.compile import compile_slug
from tests.contracts.builder import LIMITS, BuilderContract, output, shell, text
from tests.contracts.workspace import WorkspaceContract
from tests.fakes.objects import FakeObjects
from tests.fixtures.container import builder, holdings, site
from tests.fixtures.launcher import make_app
from tests.support.buildpack_sandbox import APPS
from tests.support.until import until

__all__ = ["builder", "site"]

# A panel that opens a workspace, says so, and is in the middle of a step when it is killed.
VICTIM = """\
import asyncio, sys
from pathlib import Path
from skypanel.drivers.docker.builder import ContainerBuilder, Site
from skypanel.ports.builder import Step
from tests.contracts.builder import LIMITS
from tests.fixtures.launcher import make_app

async def say(line):
    print(line, flush=True)

async def main():
    builder = ContainerBuilder(sys.argv[1], Site(sys.argv[2], Path("buildpacks")))
    async with builder.workspace(make_app(), LIMITS) as workspace:
        await workspace.run(Step(("sh", "-c", "echo begun; sleep 1000"), {"PATH": "/usr/bin"}), say)

asyncio.run(main())
"""


class TestContainerBuilder(BuilderContract):
    pass


class TestContainerWorkspace(WorkspaceContract):
    @pytest.fixture
    async def workspace(self, builder):
        async with builder.workspace(make_app(), LIMITS) as made:
            yield made


async def test_nothing_is_left_but_the_cache(builder, swarm):
    app = make_app()
    async with builder.workspace(app, LIMITS) as workspace:
        assert (await output(workspace, shell("touch /app/x; sleep 100 & disown", network=True)))[0].ok
    assert holdings(swarm.client) == ([], [])
    assert swarm.client.volumes.get(f"skypanel-cache-{app.id}")


async def test_who_is_cancelled_leaves_nothing(builder, swarm):
    begun = asyncio.Event()

    async def write(_):
        begun.set()

    async def build():
        async with builder.workspace(make_app(), LIMITS) as workspace:
            await workspace.run(shell("echo begun; sleep 1000"), write)

    task = asyncio.create_task(build())
    await asyncio.wait_for(begun.wait(), 60)
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task
    assert holdings(swarm.client) == ([], [])


async def test_what_a_killed_panel_leaves_is_swept_and_what_runs_is_not(builder, swarm, build_image):
    victim = await asyncio.create_subprocess_exec(
        sys.executable, "-c", VICTIM, swarm.url, build_image, stdout=asyncio.subprocess.PIPE, env={**os.environ, "PYTHONPATH": "."}
    )
    assert await victim.stdout.readline() == b"begun\n"
    async with builder.workspace(make_app(), LIMITS) as workspace:
        assert await builder.sweep() == 0
        victim.send_signal(signal.SIGKILL)
        await victim.wait()
        await until(builder.sweep)
        assert (await output(workspace, shell("true")))[0].ok
    assert holdings(swarm.client) == ([], [])


async def test_a_missing_image_comes_with_what_to_do(swarm, site):
    builder = ContainerBuilder(swarm.url, replace(site, image="skypanel/build:none"))
    with pytest.raises(Unavailable, match=r"skypanel/build:none is missing at the Docker daemon.*Run: skypanel stack build"):
        async with builder.workspace(make_app(), LIMITS):
            pass
    await builder.close()
    assert holdings(swarm.client) == ([], [])


async def test_a_daemon_that_is_down_comes_with_what_to_do(site, tmp_path):
    builder = ContainerBuilder(f"unix://{tmp_path}/none.sock", site)
    with pytest.raises(Unavailable, match=r"Docker does not answer\. Check that its daemon is running"):
        async with builder.workspace(make_app(), LIMITS):
            pass


async def test_a_ca_bundle_is_trusted_in_place_of_the_images(builder, swarm, site, tmp_path):
    bundle = tmp_path / "ca.pem"
    bundle.write_text("of the company\n")
    builder = ContainerBuilder(swarm.url, replace(site, ca_bundle=bundle))
    async with builder.workspace(make_app(), LIMITS) as workspace:
        assert (
            await text(workspace, shell("cat /etc/ssl/certs/ca-certificates.crt; echo x > /etc/ssl/certs/x || true")) == "of the company\n"
        )
    await builder.close()


async def test_a_real_app_becomes_a_slug(builder):
    objects, lines = FakeObjects(), []

    async def write(line):
        lines.append(line)

    archive = await asyncio.create_subprocess_exec(
        *("tar", "-c", "--zstd", "-C", str(APPS / "python-flask"), "."), stdout=asyncio.subprocess.PIPE
    )
    body, _ = await archive.communicate()
    source = await objects.add("sources", _once(body))
    app = make_app()
    build = Build(uuid4(), app.id, None, Source("git", source.digest), BuildState.BUILDING, 1, datetime.now(UTC))
    for attempt in ("first", "second"):
        slug = await compile_slug(SimpleNamespace(objects=objects, builder=builder), app, build, {"SECRET": "s"}, write)
        assert slug.process_types["web"], attempt
        assert await objects.exists("slugs", slug.digest)
    assert any("Python app detected" in line for line in lines)
    assert any("cache" in line.lower() for line in lines), lines


async def _once(body):
    yield body
