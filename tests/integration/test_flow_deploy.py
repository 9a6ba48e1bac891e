"""From a source to a release that serves, on a real database."""

import asyncio

import pytest

from skypanel.domain.deploy import DeployState
from skypanel.domain.errors import Conflict, NotFound
from skypanel.domain.manifest import DynoKey
from skypanel.domain.output import build_stream, rollout_stream
from skypanel.flow import apps as apps_flow
from skypanel.flow import build as build_flow
from skypanel.flow import deploys
from skypanel.flow import scale as scale_flow
from skypanel.store import apps, releases, rollouts, routes
from tests.support.deploys import current, deployed, follow, pushed


async def test_a_build_becomes_a_release_that_serves(stage):
    app = await stage.app()
    build = await stage.push(app)
    assert stage.panel.queue.woken["builds"] == 1
    await stage.work()
    release, lines = await follow(stage, build)
    assert release.version == 1
    assert lines[0] == "-----> Python app detected"
    assert "-----> Discovering process types" in lines
    assert "       Procfile declares types -> web, worker" in lines
    assert lines[-5:] == [
        "-----> Launching...",
        "       Released v1",
        "       http://hello.localhost:8080/ deployed to SkyPanel",
        "",
        "Verifying deploy... done.",
    ]
    assert (await current(stage, app)).id == release.id
    route = stage.panel.router.routes[app.id]
    assert route.hosts == ("hello.localhost",)
    assert len(route.endpoints) == 1


async def test_what_became_of_a_deploy_is_not_changed_by_a_restart_that_fails_later(stage):
    app = await stage.app()
    build = await stage.push(app)
    await stage.work()
    stage.panel.scheduler.unready.add(1)
    await scale_flow.restart(stage.panel, app, stage.admin)
    await stage.work()
    for deploy in (await deploys.of_build(stage.panel, app, build.id), await deploys.of_version(stage.panel, app, 1)):
        assert deploy.state is DeployState.LIVE
        assert "-----> Launching..." in (await deploys.so_far(stage.panel, deploy, 100)).lines
    release, lines = await follow(stage, build)
    assert (release.version, lines[-1]) == (1, "Verifying deploy... done.")


async def test_a_push_during_the_rollout_of_the_last_is_told_so(stage):
    app = await stage.app()
    await stage.push(app, "first")
    await build_flow.work(stage.panel, "worker")
    with pytest.raises(Conflict, match="being rolled out"):
        await stage.push(app, "second")


async def test_a_release_that_crashes_leaves_the_old_one_serving(stage):
    app = await deployed(stage)
    stage.panel.logs.add(app, "web.1", "GET / of the release that serves")
    for key in (DynoKey(app.id, version, 1, "web", 1) for version in (1, 2)):
        stage.panel.scheduler.printed[key] = [f"{number} of v{key.version}" for number in range(50)]
    before = stage.panel.router.routes[app.id]
    stage.panel.builder.answer("cat", "/app/Procfile", out=b"web: crash\n")
    build = await stage.push(app)
    await stage.work()
    error, lines = await follow(stage, build)
    assert "v2 did not go live" in str(error)
    assert "The previous release is still live." in str(error.hint)
    assert [line.strip() for line in lines if " of v1" in line or "GET /" in line] == []
    assert [line.strip() for line in lines if line.endswith(" of v2")] == [f"{number} of v2" for number in range(10, 50)]
    assert any("exited with status 1" in line for line in lines)
    assert stage.panel.router.routes[app.id] == before
    assert (await current(stage, app)).version == 1
    assert {dyno.key.version for dyno in await stage.panel.scheduler.dynos(app.id)} == {1}


async def test_a_failing_release_phase_keeps_the_old_release_and_its_number(stage):
    app = await deployed(stage)
    stage.panel.builder.answer("cat", "/app/Procfile", out=b"web: serve\nrelease: fail to migrate\n")
    build = await stage.push(app)
    await stage.work()
    _, lines = await follow(stage, build)
    assert "output of fail to migrate" in lines
    assert any("The release command failed" in line for line in lines)
    assert stage.panel.scheduler.runs == [("release.1", "fail to migrate")]
    assert (await current(stage, app)).version == 1
    stage.panel.builder.answer("cat", "/app/Procfile", out=b"web: serve\n")
    build = await stage.push(app)
    await stage.work()
    release, _ = await follow(stage, build)
    assert release.version == 3


async def test_a_destroyed_app_leaves_nothing(stage):
    app = await deployed(stage)
    await apps_flow.destroy(stage.panel, app, stage.admin)
    assert app.id not in stage.panel.router.routes
    assert not await stage.panel.scheduler.dynos(app.id)
    with pytest.raises(NotFound):
        await stage.panel.repositories.refs(app.id)
    async with stage.panel.transaction() as conn:
        assert await apps.by_name(conn, "hello") is None
        assert await routes.get(conn, app.id) is None
    assert (await stage.app("hello")).id != app.id


async def test_the_streams_of_a_build_and_its_rollout_are_apart(stage):
    app = await stage.app()
    build = await stage.push(app)
    await stage.work()
    async with stage.panel.transaction() as conn:
        release = await releases.of_build(conn, build.id)
        rollout = await rollouts.of_release(conn, release.id)
    output = stage.panel.output
    assert output.texts(build_stream(build.id))[0] == "-----> Python app detected"
    assert output.texts(rollout_stream(rollout.id))[0] == "-----> Launching..."


async def test_a_first_release_command_that_fails_does_not_say_that_another_release_serves(stage):
    app = await stage.app()
    stage.panel.builder.answer("cat", "/app/Procfile", out=b"web: serve\nrelease: fail to migrate\n")
    build = await stage.push(app)
    await stage.work()
    _, lines = await follow(stage, build)
    assert any("No earlier release is live. Fix the command" in line for line in lines)


async def test_who_pushes_is_told_which_process_types_run_no_more_or_not_yet(stage):
    app = await stage.app()
    stage.panel.builder.answer("cat", "/app/Procfile", out=b"worker: toil\n")
    _, lines = await pushed(stage, app)
    assert f"       Start it: skypanel scale {app.name} worker=1" in lines
    assert any("no web process type, so its URL does not respond" in line for line in lines)
    assert not any(" deployed to SkyPanel" in line for line in lines)
    await scale_flow.scale(stage.panel, app, {"worker": 1}, stage.admin)
    await stage.work()
    stage.panel.builder.answer("cat", "/app/Procfile", out=b"web: serve\n")
    _, lines = await pushed(stage, app)
    told = "       worker is no longer in the Procfile: its dyno has stopped."
    assert told in lines
    _, lines = await pushed(stage, app)
    assert told not in lines
    with pytest.raises(NotFound, match="has no process type worker to scale") as unknown:
        await scale_flow.scale(stage.panel, app, {"worker": 1}, stage.admin)
    assert unknown.value.hint == "It has: web."


async def test_a_first_release_that_fails_leaves_nothing_running_and_no_route(stage):
    app = await stage.app()
    stage.panel.builder.answer("cat", "/app/Procfile", out=b"web: crash\n")
    build = await stage.push(app)
    await stage.work()
    error, lines = await follow(stage, build)
    assert "v1 did not go live" in str(error)
    assert error.hint == "No earlier release is live."
    assert any("exited with status 1" in line for line in lines)
    assert not await stage.panel.scheduler.dynos(app.id)
    async with stage.panel.transaction() as conn:
        assert (await routes.get(conn, app.id)).endpoints == ()


async def test_a_proxy_that_does_not_confirm_fails_the_release_and_the_old_one_keeps_the_route(stage):
    app = await deployed(stage)
    async with stage.panel.transaction() as conn:
        before = await routes.get(conn, app.id)
    stage.panel.router.broken = True
    build = await stage.push(app, "new tree")
    await stage.work()
    error, _ = await follow(stage, build)
    assert "v2 did not go live" in str(error)
    async with stage.panel.transaction() as conn:
        assert await routes.get(conn, app.id) == before
    assert {dyno.key.version for dyno in await stage.panel.scheduler.dynos(app.id)} == {1}


async def test_a_destroyed_apps_objects_go_and_shared_ones_stay(stage):
    app, twin = await stage.app("hello"), await stage.app("twin")
    await stage.push(app, "shared tree")
    await stage.push(twin, "shared tree")
    await stage.work()
    stage.panel.builder.answer("tar", "-c", out=b"another slug")
    await stage.push(app, "own tree")
    await stage.work()
    assert {kind for kind, _ in stage.panel.objects.stored} >= {"sources", "slugs"}
    own = [key for key in stage.panel.objects.stored if key[0] in {"sources", "slugs"}]
    await apps_flow.destroy(stage.panel, app, stage.admin)
    left = [key for key in stage.panel.objects.stored if key[0] in {"sources", "slugs"}]
    assert len(own) == 4
    assert len(left) == 2


async def test_five_first_pushes_at_once_all_get_their_app(stage):
    made = await asyncio.gather(*(stage.app(f"burst{number}") for number in range(8)))
    assert len({app.id for app in made}) == 8
