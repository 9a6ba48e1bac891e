"""Workers on other machines, which share the database, Redis and the storage with the panel, and nothing else."""

import os
import sys
import time
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path

import pytest
from cryptography.fernet import Fernet
from psycopg2.extensions import parse_dsn

from skypanel.domain.build import BuildState, Source
from skypanel.domain.output import build_stream
from skypanel.domain.release import ReleaseState
from skypanel.drivers.crypto.fernet import FernetCipher
from skypanel.drivers.output.streams import StreamOutput, connect
from skypanel.drivers.storage.files import FileObjects
from skypanel.embedded.processes import Binaries, worker_argv
from skypanel.engines.engine import RemoteNodes
from skypanel.engines.swarm import open_engine
from skypanel.flow import build as build_flow
from skypanel.flow import config, setup
from skypanel.settings.sources import IDENTITY, of_worker
from skypanel.store import builds, releases, rollouts
from tests.fixtures.docker import Bridge
from tests.fixtures.elsewhere import SHARED, Machine, clean_environment, forwarded
from tests.fixtures.valkey import PASSWORD
from tests.support.panels import open_stage
from tests.support.until import until

ROOT = Path(__file__).parents[2]


@pytest.fixture
def bridge():
    assert os.geteuid() == 0, "Other machines need namespaces: run the tests as root."
    made = Bridge()
    yield made
    made.remove()


@pytest.fixture
def storage(tmp_path):
    (tmp_path / "storage" / "objects").mkdir(parents=True)
    return tmp_path / "storage"


@pytest.fixture
def key():
    return Fernet.generate_key().decode()


@pytest.fixture
async def stage(database, valkey, tmp_path, storage, key):
    """The panel's own machine, which runs no worker."""
    stage = await open_stage(database, tmp_path)
    objects = FileObjects(storage / "objects")
    (tmp_path / "spool").mkdir()
    output = StreamOutput(connect(valkey.url), tmp_path / "spool", objects)
    stage.panel = replace(stage.panel, objects=objects, output=output, cipher=FernetCipher([key]))
    yield stage
    await output.close()


@pytest.fixture
async def start(bridge, dsn, valkey, storage, key, tmp_path):  # noqa: PLR0917 - what machines share
    """Start a worker on a machine of its own, for some queues: the product's own program, or one that hangs where it is told to."""
    started = []
    socket_folder, name = Path(parse_dsn(dsn)["host"]), parse_dsn(dsn)["dbname"]
    async with AsyncExitStack() as stack:
        postgres = await stack.enter_async_context(forwarded(bridge.address, socket_folder / ".s.PGSQL.5432"))
        redis = await stack.enter_async_context(forwarded(bridge.address, valkey.socket))

        def start(*queues, argv=(), **variables):
            binaries = Binaries(python=Path(sys.executable), postgres=Path(), valkey=Path(), traefik=Path())
            argv = argv or ["tests.support.worker_elsewhere" if part == "workers.run" else part for part in worker_argv(binaries, queues)]
            environment = clean_environment(
                SKYPANEL_DATABASE_URL=f"postgresql://postgres@{bridge.address}:{postgres}/{name}",
                SKYPANEL_REDIS_URL=f"redis://:{PASSWORD}@{bridge.address}:{redis}/0",
                SKYPANEL_ENCRYPTION_KEYS=key,
                SKYPANEL_QUEUES=",".join(queues),
                STORAGE=SHARED,
                PYTHONPATH=str(ROOT),
                **variables,
            )
            started.append(Machine(bridge, len(started) + 1, storage, argv, environment, tmp_path / f"machine{len(started) + 1}.log"))
            return started[-1]

        yield start
        for machine in started:
            machine.kill()


async def push(stage, app):
    """Queue a build of a source that is in the storage."""

    async def chunks():
        yield b"a tree"

    async def silent(_line):
        pass

    stored = await stage.panel.objects.add("sources", chunks())
    return await build_flow.request(stage.panel, app, stage.admin.id, Source("git", stored.digest, "c" * 40), silent)


@pytest.mark.req("R20.5")
async def test_a_build_whose_machine_is_lost_fails_within_30_s_and_says_push_again(stage, start, storage):
    (storage / "build.hold").touch()
    builder, _ = start("builds"), start("periodic")
    build = await push(stage, await stage.app())
    first = await anext(stage.panel.output.read(build_stream(build.id), idle_s=60))
    builder.kill()
    lost = time.monotonic()

    async def failed():
        async with stage.panel.transaction() as conn:
            return (await builds.get(conn, build.id)).state is BuildState.FAILED

    await until(failed, within_s=90)
    assert time.monotonic() - lost < 30
    lines = [line.text async for line in stage.panel.output.read(build_stream(build.id))]
    assert lines[0] == first.text
    assert lines[-3:-1] == [" !     The worker stopped during this build.", " !     Push again."]


@pytest.mark.req("R20.5")
async def test_a_rollout_whose_machine_is_lost_is_resumed_by_another(stage, start, storage):
    app = await stage.app()
    await config.change(stage.panel, app, {"GREETING": "hello"}, stage.admin)
    (storage / "rollout.hold").touch()
    start("builds", "periodic")
    first = start("rollouts")
    await push(stage, app)
    await until((storage / "rollout.reached").exists, within_s=60)
    first.kill()
    (storage / "rollout.hold").unlink()
    start("rollouts")

    async def live():
        async with stage.panel.transaction() as conn:
            found = await releases.recent(conn, app.id, 1)
        return next((release for release in found if release.state is ReleaseState.SUCCEEDED), None)

    release = await until(live, within_s=60)
    assert (release.version, release.state) == (1, ReleaseState.SUCCEEDED)
    async with stage.panel.transaction() as conn:
        assert (await rollouts.of_release(conn, release.id)).attempt == 2
    assert (storage / "config").read_text() == "{'GREETING': 'hello'}"


async def test_a_worker_elsewhere_works_for_the_panel_and_not_for_its_own_home(stage, start):
    await setup.publish_identity(stage.panel, "0123abcd")
    machine = start("builds", argv=[sys.executable, "-m", "workers"], SKYPANEL_ENGINE="swarm")
    await until(lambda: IDENTITY in machine.environment(), within_s=60)
    loaded = of_worker(machine.environment())
    assert loaded.identity == "0123abcd"
    # All that an engine labels carries it: here what builds make.
    async with AsyncExitStack() as stack:
        engine = open_engine(loaded, stage.panel.objects, stage.panel.clock, stack, RemoteNodes(None, None))
        assert engine.builder.site.panel == "0123abcd"


async def test_a_worker_elsewhere_says_that_the_panel_never_started(stage, start):
    machine = start("builds", argv=[sys.executable, "-m", "workers"], SKYPANEL_ENGINE="swarm")
    await until(lambda: machine.process.poll() is not None, within_s=60)
    assert "The panel's identity is not in its database. Start the panel once" in machine.log.read_text()


async def test_no_secret_is_in_what_a_worker_prints_or_is_called(stage, start, storage, key):
    machine = start("builds", "periodic")
    await push(stage, await stage.app())
    await until((storage / "build.reached").exists, within_s=60)
    said = machine.log.read_text() + machine.command_line()
    assert key not in said
    assert PASSWORD not in said
