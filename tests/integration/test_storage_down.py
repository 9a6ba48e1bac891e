"""S3 that is down in a build and at a dyno's start: what fails says so, and what serves goes on."""

from dataclasses import replace

import pytest

from skypanel.domain.build import Source
from skypanel.domain.errors import Invalid, Unavailable
from skypanel.drivers.storage.s3 import S3Objects
from skypanel.flow import build as build_flow
from skypanel.flow.follow import follow_build
from skypanel.store import apps, releases
from tests.contracts.objects import chunks
from tests.contracts.scheduler import READY_S, SERVE, launched
from tests.fixtures.launcher import launcher
from tests.support.panels import open_stage, silent

__all__ = ["launcher"]


@pytest.fixture
async def objects(s3, tmp_path):
    driver = S3Objects(s3.storage, tmp_path / "scratch")
    yield driver
    await driver.close()


@pytest.fixture
async def stage(database, tmp_path, objects):
    stage = await open_stage(database, tmp_path / "repositories")
    stage.panel = replace(stage.panel, objects=objects)
    return stage


async def push(stage, app, text):
    """Store a source and queue its build, as the receiver does."""
    stored = await stage.panel.objects.add("sources", chunks(text.encode()))
    return await build_flow.request(stage.panel, app, stage.admin.id, Source("git", stored.digest, "c" * 40), silent)


async def followed(stage, build):
    lines = []

    async def write(line):
        lines.append(line)

    try:
        return await follow_build(stage.panel, build.id, write), lines
    except Invalid:
        return None, lines


async def serving(stage, app):
    async with stage.panel.transaction() as conn:
        current = await apps.get(conn, app.id)
        return (await releases.get(conn, current.current_release_id)).version


@pytest.mark.req("R6.3")
async def test_a_push_is_stored_built_and_released_out_of_a_bucket(stage):
    app = await stage.app()
    build = await push(stage, app, "a tree")
    await stage.work()
    release, _ = await followed(stage, build)
    assert release.version == 1
    assert stage.panel.builder.fed == [b"a tree"]
    assert len([kept async for kept in stage.panel.objects.list("slugs")]) == 1


@pytest.mark.parametrize("when", ["before the source is read", "before the slug is written"])
async def test_a_build_fails_with_a_clear_line_the_old_release_serves_and_the_next_push_works(stage, s3, when):
    app = await stage.app()
    await push(stage, app, "first")
    await stage.work()
    route = stage.panel.router.routes[app.id]
    build = await push(stage, app, "second")
    if when == "before the source is read":
        s3.stop()
    else:
        read = stage.panel.builder.read

        async def stop_and_read(step):
            if "tar" in step.argv:
                s3.stop()
            async for chunk in read(step):
                yield chunk

        stage.panel.builder.read = stop_and_read
    await stage.work()
    release, lines = await followed(stage, build)
    assert release is None
    assert f" !     The object storage at {s3.storage.endpoint} does not answer." in lines
    assert any("Try again in a minute" in line for line in lines)
    assert not any(s3.storage.secret_key in line for line in lines)
    assert await serving(stage, app) == 1
    assert stage.panel.router.routes[app.id] == route
    with pytest.raises(Unavailable, match="does not answer"):
        await push(stage, app, "third")
    s3.start()
    if when != "before the source is read":
        stage.panel.builder.read = read
    build = await push(stage, app, "fourth")
    await stage.work()
    release, _ = await followed(stage, build)
    assert release.version == 2
    assert await serving(stage, app) == 2


async def test_a_dyno_whose_slug_is_staged_starts_without_storage_and_another_says_why_not(launcher, objects, s3):
    scheduler = launcher.scheduler(objects)
    app, manifest = await launched(scheduler, objects, {"web": (SERVE, 1)})
    await scheduler.wait_ready(manifest, READY_S)
    s3.stop()
    again = replace(manifest, generation=manifest.generation + 1)
    await scheduler.stage(app, again.slug_digest)
    await scheduler.launch(again)
    (dyno,) = await scheduler.wait_ready(again, READY_S)
    assert dyno.key.generation == again.generation
    with pytest.raises(Unavailable, match="does not answer"):
        await scheduler.stage(app, "0" * 64)
    await scheduler.remove(app.id)
