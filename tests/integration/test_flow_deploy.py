"""From a source to a release that serves, on a real database."""

import asyncio
from dataclasses import replace
from functools import partial
from pathlib import Path
from uuid import UUID, uuid4

import pytest

from skypanel.domain.build import BuildState
from skypanel.domain.deploy import DeployState
from skypanel.domain.errors import Conflict, Invalid, NotFound, Unavailable
from skypanel.domain.manifest import DynoKey, DynoState, Manifest, OneOff
from skypanel.domain.output import build_stream, rollout_stream
from skypanel.domain.release import ReleaseState, RolloutReason, RolloutState
from skypanel.flow import apps as apps_flow
from skypanel.flow import build as build_flow
from skypanel.flow import config as config_flow
from skypanel.flow import deploys, reconcile
from skypanel.flow import rollout as rollout_flow
from skypanel.flow import scale as scale_flow
from skypanel.flow import settings as settings_flow
from skypanel.flow.drain import drain
from skypanel.flow.follow import follow_build
from skypanel.store import apps, builds, releases, rollouts, routes


async def follow(stage, build):
    lines = []

    async def write(line):
        lines.append(line)

    try:
        release = await follow_build(stage.panel, build.id, write)
    except (Invalid, Conflict) as error:
        return error, lines
    return release, lines


async def current(stage, app):
    async with stage.panel.transaction() as conn:
        found = await apps.get(conn, app.id)
        return await releases.get(conn, found.current_release_id) if found.current_release_id else None


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


async def test_a_slugignore_that_was_followed_is_told_of(stage):
    stage.panel.builder.answer(".slugignore", out=b"12\n")
    build = await stage.push(await stage.app())
    await stage.work()
    _, lines = await follow(stage, build)
    assert lines[0] == "-----> Deleting 12 files matching .slugignore patterns."


async def test_config_vars_are_there_for_the_build(stage):
    app = await stage.app()
    await config_flow.change(stage.panel, app, {"GREETING": "hello"}, stage.admin)
    await stage.push(app)
    await stage.work()
    assert any(b"GREETING" in fed for fed in stage.panel.builder.fed)


async def test_a_broken_build_makes_no_release(stage):
    app = await stage.app()
    stage.panel.builder.answer("bin/compile", code=1, out=b"no such package")
    build = await stage.push(app)
    await stage.work()
    error, lines = await follow(stage, build)
    assert "build failed" in str(error)
    assert "no such package" in lines
    assert " !     The python buildpack failed." in lines
    assert await current(stage, app) is None
    async with stage.panel.transaction() as conn:
        assert (await builds.get(conn, build.id)).state is BuildState.FAILED
    again = await stage.push(app)
    assert again.id != build.id


@pytest.mark.parametrize("reason", ["it used more than 2048 MiB of memory", "it ran longer than 15 minutes"])
async def test_a_build_that_the_sandbox_ended_says_why(stage, reason):
    stage.panel.builder.answer("bin/compile", code=137, reason=reason)
    build = await stage.push(await stage.app())
    await stage.work()
    _, lines = await follow(stage, build)
    assert f" !     The build was stopped: {reason}." in lines


async def test_what_is_for_the_log_is_kept_there_and_not_shown_to_the_pusher(stage):
    stage.panel.builder.answer("bin/compile", out=b"\x1b[2m       Collecting flask\x1b[0m\n       Successfully installed flask\n")
    build = await stage.push(await stage.app())
    await stage.work()
    _, lines = await follow(stage, build)
    assert "       Successfully installed flask" in lines
    assert not any("Collecting" in line for line in lines)
    assert "\x1b[2m       Collecting flask\x1b[0m" in stage.panel.output.texts(build_stream(build.id))


async def test_no_buildpack_says_what_to_add(stage):
    stage.panel.builder.answer("detect", out=b"")
    build = await stage.push(await stage.app())
    await stage.work()
    _, lines = await follow(stage, build)
    assert " !     No buildpack fits this app." in lines
    assert any("requirements.txt" in line for line in lines)


async def test_a_second_push_during_a_build_is_told_so(stage):
    app = await stage.app()
    await stage.push(app, "first")
    with pytest.raises(Conflict, match="Push again"):
        await stage.push(app, "second")


async def test_a_push_during_the_rollout_of_the_last_is_told_so(stage):
    app = await stage.app()
    await stage.push(app, "first")
    await build_flow.work(stage.panel, "worker")
    with pytest.raises(Conflict, match="being rolled out"):
        await stage.push(app, "second")


async def deployed(stage, name="hello"):
    app = await stage.app(name)
    await stage.push(app)
    await stage.work()
    return app


async def test_who_waits_for_a_build_is_told_where_it_stands_and_whenever_that_changes(stage):
    busy, lines = [await stage.push(await stage.app(name)) for name in ("one", "two")], asyncio.Queue()
    waiting = await stage.push(await stage.app("three"))
    async with stage.panel.transaction() as conn:
        running = [await builds.claim(conn, "another worker", 60, of_one=2) for _ in busy]
    following = asyncio.create_task(follow_build(stage.panel, waiting.id, lines.put))
    async with asyncio.timeout(20):
        assert await lines.get() == "-----> Waiting: 2 builds ahead, your organization has 2 at once"
        async with stage.panel.transaction() as conn:
            await builds.finish(conn, running[0].id, 1, BuildState.FAILED)
        assert await lines.get() == "-----> Waiting: 1 build ahead"
        async with stage.panel.transaction() as conn:
            await builds.finish(conn, running[1].id, 1, BuildState.FAILED)
        assert await lines.get() == "-----> Waiting: the next worker that is free takes this build"
        await stage.work()
        assert (await following).version == 1
    assert await lines.get() == "-----> Python app detected"
    assert not any("Waiting" in line for line in stage.panel.output.texts(build_stream(waiting.id)))


async def test_a_worker_begins_no_more_builds_of_an_organization_than_the_setting_says(stage):
    await settings_flow.change(stage.panel, stage.admin, {"builds_per_organization": "1"})
    for name in ("one", "two"):
        await stage.push(await stage.app(name))
    async with stage.panel.transaction() as conn:
        running = await builds.claim(conn, "another worker", 60, of_one=1)
    await build_flow.work(stage.panel, "worker")
    async with stage.panel.transaction() as conn:
        assert await builds.waiting(conn) == 1
        await builds.finish(conn, running.id, 1, BuildState.FAILED)
    await build_flow.work(stage.panel, "worker")
    async with stage.panel.transaction() as conn:
        assert await builds.waiting(conn) == 0


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
    assert "The release before it keeps serving." in str(error.hint)
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


async def test_a_config_change_during_a_rollout_overtakes_it_with_its_slug(stage):
    app = await deployed(stage)
    scheduler = stage.panel.scheduler
    scheduler.hold = asyncio.Event()
    build = await stage.push(app, "new tree")
    await build_flow.work(stage.panel, "worker")
    rolling = asyncio.create_task(rollout_flow.work(stage.panel, "worker"))
    await scheduler.waiting.wait()
    await config_flow.change(stage.panel, app, {"KEY": "value"}, stage.admin)
    scheduler.hold.set()
    await rolling
    await stage.work()
    release, lines = await follow(stage, build)
    assert release.version == 3
    assert any("overtakes" in line for line in lines)
    serving = await current(stage, app)
    assert serving.version == 3
    async with stage.panel.transaction() as conn:
        built = await releases.of_build(conn, build.id)
        assert built.state is ReleaseState.SUPERSEDED
        assert serving.slug_id == built.slug_id
    assert scheduler.launched[-1].config_vars == {"KEY": "value"}


async def test_scaling_during_a_rollout_overtakes_nothing(stage):
    app = await deployed(stage)
    build = await stage.push(app, "new tree")
    await build_flow.work(stage.panel, "worker")
    await scale_flow.scale(stage.panel, app, {"web": 3}, stage.admin)
    await stage.work()
    release, _ = await follow(stage, build)
    assert release.version == 2
    assert (await current(stage, app)).version == 2
    assert len(await stage.panel.scheduler.dynos(app.id)) == 3
    async with stage.panel.transaction() as conn:
        assert await rollouts.active(conn, app.id) is None


async def test_an_expired_build_fails_and_says_push_again(stage):
    app = await stage.app()
    build = await stage.push(app)
    async with stage.panel.transaction() as conn:
        assert (await builds.claim(conn, "dead worker", lease_s=-1, of_one=2)).id == build.id
    await build_flow.expire(stage.panel)
    error, lines = await follow(stage, build)
    assert "build failed" in str(error)
    assert lines[-1] == " !     Push again."
    await stage.push(app)


async def test_a_build_that_is_stopped_makes_no_release_and_says_why(stage):
    app = await stage.app()
    build = await stage.push(app)
    assert await build_flow.cancel(stage.panel, app.id, "Somebody changed their mind.")
    assert not await build_flow.cancel(stage.panel, app.id, "Again.")
    assert stage.panel.output.texts(build_stream(build.id)) == [" !     Somebody changed their mind."]
    await stage.work()
    async with stage.panel.transaction() as conn:
        stopped = await builds.get(conn, build.id)
        assert (stopped.state, stopped.error) == (BuildState.FAILED, "Somebody changed their mind.")
        assert await releases.recent(conn, app.id, 5) == []
    await stage.push(app)


async def test_a_build_that_is_stopped_while_a_worker_has_it_makes_no_release(stage):
    app = await stage.app()
    build = await stage.push(app)
    stopped = asyncio.Event()
    workspace = stage.panel.builder.run

    async def stop(step, write, stdin=None):
        if not stopped.is_set():
            await build_flow.cancel(stage.panel, app.id, "Somebody changed their mind.")
            stopped.set()
        return await workspace(step, write, stdin)

    stage.panel.builder.run = stop
    await stage.work()
    assert stopped.is_set()
    assert stage.panel.output.texts(build_stream(build.id))[-1] == " !     Somebody changed their mind."
    async with stage.panel.transaction() as conn:
        assert (await builds.get(conn, build.id)).state is BuildState.FAILED
        assert await releases.recent(conn, app.id, 5) == []


async def test_an_expired_rollout_is_resumed(stage):
    app = await stage.app()
    build = await stage.push(app)
    await build_flow.work(stage.panel, "worker")
    async with stage.panel.transaction() as conn:
        dead = await rollouts.claim(conn, "dead worker", lease_s=-1)
    await stage.work()
    release, _ = await follow(stage, build)
    assert release.version == 1
    async with stage.panel.transaction() as conn:
        resumed = await rollouts.get(conn, dead.id)
    assert (resumed.state, resumed.attempt) == (RolloutState.SUCCEEDED, 2)


async def test_a_rollout_that_no_worker_survives_is_given_up(stage):
    app = await stage.app()
    build = await stage.push(app)
    await build_flow.work(stage.panel, "worker")
    async with stage.panel.transaction() as conn:
        for _ in range(rollout_flow.MAX_ATTEMPTS):
            await rollouts.claim(conn, "dead worker", lease_s=-1)
    await stage.work()
    error, lines = await follow(stage, build)
    assert "v1 did not go live" in str(error)
    assert any("tried 5 times" in line for line in lines)


async def test_the_same_tree_reuses_the_build_that_serves(stage):
    app = await stage.app()
    await stage.push(app, "tree")
    await stage.work()
    compiled = len(stage.panel.builder.steps)
    build = await stage.push(app, "tree")
    await stage.work()
    release, lines = await follow(stage, build)
    assert release.version == 2
    assert lines[0].startswith("-----> Reusing the build of")
    assert len(stage.panel.builder.steps) == compiled


async def test_wake_ups_that_got_lost_are_repeated(stage):
    app = await stage.app()
    await stage.push(app)
    stage.panel.queue.woken.clear()
    await build_flow.wake_pending(stage.panel)
    assert stage.panel.queue.woken == {"builds": 1}
    await stage.work()
    stage.panel.queue.woken.clear()
    await build_flow.wake_pending(stage.panel)
    assert not stage.panel.queue.woken


async def test_reconciliation_brings_back_what_is_missing_and_then_rests(stage):
    app = await deployed(stage)
    scheduler = stage.panel.scheduler
    await reconcile.reconcile(stage.panel)
    async with stage.panel.transaction() as conn:
        assert await rollouts.active(conn, app.id) is None
    scheduler.running.clear()
    await reconcile.reconcile(stage.panel)
    await reconcile.reconcile(stage.panel)
    async with stage.panel.transaction() as conn:
        assert (await rollouts.active(conn, app.id)).reason is RolloutReason.REPAIR
    await stage.work()
    assert len(await scheduler.dynos(app.id)) == 1
    await reconcile.reconcile(stage.panel)
    async with stage.panel.transaction() as conn:
        assert await rollouts.active(conn, app.id) is None


async def test_what_an_app_that_is_gone_left_is_tended_to(stage):
    app = await stage.app()
    stage.panel.upkeep.left = {app.id, UUID(int=1)}
    stage.panel.upkeep.networks = {app.organization_id, UUID(int=2)}
    await reconcile.tend(stage.panel)
    assert stage.panel.upkeep.left == {app.id}
    assert stage.panel.upkeep.networks == {app.organization_id}


async def test_reconciliation_removes_the_one_off_dynos_of_an_app_that_is_gone(stage):
    app, other = await stage.app(), await stage.app("other")
    for each in (app, other):
        await stage.panel.scheduler.detach(Manifest.empty(each), OneOff(1, "sleep 1000"))
    async with stage.panel.transaction() as conn:
        await apps.remove(conn, app.id)
    await reconcile.reconcile(stage.panel)
    assert [dyno.key.app_id for dyno in await stage.panel.scheduler.one_offs()] == [other.id]


async def test_reconciliation_removes_the_dynos_of_an_app_that_is_gone(stage):
    app = await deployed(stage)
    other = await deployed(stage, "other")
    async with stage.panel.transaction() as conn:
        await apps.remove(conn, app.id)
    await reconcile.reconcile(stage.panel)
    assert {dyno.key.app_id for dyno in await stage.panel.scheduler.dynos()} == {other.id}


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
    assert any("Nothing serves yet: no release of it went live before. Mend the command" in line for line in lines)


async def test_who_pushes_is_told_which_process_types_run_no_more_or_not_yet(stage):
    app = await stage.app()
    stage.panel.builder.answer("cat", "/app/Procfile", out=b"worker: toil\n")
    _, lines = await pushed(stage, app)
    assert f"       Start it: skypanel scale {app.name} worker=1" in lines
    assert any("no web process type, so that nothing answers" in line for line in lines)
    assert not any(" deployed to SkyPanel" in line for line in lines)
    await scale_flow.scale(stage.panel, app, {"worker": 1}, stage.admin)
    await stage.work()
    stage.panel.builder.answer("cat", "/app/Procfile", out=b"web: serve\n")
    _, lines = await pushed(stage, app)
    told = "       worker is not in the Procfile any more: its dyno has stopped."
    assert told in lines
    _, lines = await pushed(stage, app)
    assert told not in lines
    with pytest.raises(NotFound, match="has no process type worker to scale") as unknown:
        await scale_flow.scale(stage.panel, app, {"worker": 1}, stage.admin)
    assert unknown.value.hint == "It has: web."


async def pushed(stage, app):
    build = await stage.push(app, str(uuid4()))
    await stage.work()
    return await follow(stage, build)


async def test_a_first_release_that_fails_leaves_nothing_running_and_no_route(stage):
    app = await stage.app()
    stage.panel.builder.answer("cat", "/app/Procfile", out=b"web: crash\n")
    build = await stage.push(app)
    await stage.work()
    error, lines = await follow(stage, build)
    assert "v1 did not go live" in str(error)
    assert error.hint == "Nothing serves yet: no release of it went live before."
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


async def test_a_failed_restart_leaves_the_old_dynos_and_asks_for_no_repair(stage):
    app = await deployed(stage)
    before = {dyno.key for dyno in await stage.panel.scheduler.dynos(app.id)}
    stage.panel.router.broken = True
    await scale_flow.restart(stage.panel, app, stage.admin)
    await stage.work()
    assert {dyno.key for dyno in await stage.panel.scheduler.dynos(app.id)} == before
    await reconcile.reconcile(stage.panel)
    async with stage.panel.transaction() as conn:
        assert await rollouts.active(conn, app.id) is None


async def test_a_failed_release_whose_slug_goes_on_in_a_newer_one_is_overtaken(stage):
    app = await deployed(stage)
    scheduler = stage.panel.scheduler
    stage.panel.builder.answer("cat", "/app/Procfile", out=b"web: crash\n")
    build = await stage.push(app, "new tree")
    await build_flow.work(stage.panel, "worker")
    scheduler.hold = asyncio.Event()
    rolling = asyncio.create_task(rollout_flow.work(stage.panel, "worker"))
    await scheduler.waiting.wait()
    await config_flow.change(stage.panel, app, {"KEY": "value"}, stage.admin)
    scheduler.hold.set()
    await rolling
    async with stage.panel.transaction() as conn:
        assert (await releases.of_build(conn, build.id)).state is ReleaseState.SUPERSEDED
    error, _ = await follow(stage, build)
    assert "v3 did not go live" in str(error)
    assert (await current(stage, app)).version == 1


async def test_a_repair_that_failed_is_not_repeated_at_once(stage):
    app = await deployed(stage)
    stage.panel.scheduler.running.clear()
    stage.panel.router.broken = True
    await reconcile.reconcile(stage.panel)
    await stage.work()
    await reconcile.reconcile(stage.panel)
    async with stage.panel.transaction() as conn:
        assert await rollouts.active(conn, app.id) is None
        assert await rollouts.failed_lately(conn, app.id, within_s=60)
    stage.panel.scheduler.running.clear()
    await reconcile.reconcile(stage.panel)
    async with stage.panel.transaction() as conn:
        assert await rollouts.active(conn, app.id)


async def test_a_web_dyno_that_is_up_has_its_route_however_the_last_repair_went(stage):
    app = await deployed(stage)
    scheduler, router = stage.panel.scheduler, stage.panel.router
    (key,) = scheduler.running
    for endpoint, router.broken in (("10.0.0.8:5000", True), ("10.0.0.9:5000", False)):
        # It was stopped, and started again elsewhere.
        scheduler.running[key] = replace(scheduler.running[key], endpoint=endpoint)
        await reconcile.reconcile(stage.panel)
        await stage.work()
    assert router.routes[app.id].endpoints == ("10.0.0.9:5000",)


async def test_a_web_dyno_that_crashes_again_and_again_is_not_repaired_all_the_time(stage):
    app = await deployed(stage)
    scheduler = stage.panel.scheduler
    (key,) = scheduler.running
    scheduler.unready.add(key.generation)
    for state in (DynoState.UP, DynoState.CRASHED):
        scheduler.running[key] = replace(scheduler.running[key], state=state, endpoint=None)
        await reconcile.reconcile(stage.panel)
        async with stage.panel.transaction() as conn:
            assert bool(await rollouts.active(conn, app.id)) == (state is DynoState.UP)
        await stage.work()


async def test_a_route_never_leads_to_what_is_no_dyno_of_its_app(stage):
    app = await deployed(stage)
    await deployed(stage, "other")
    stage.panel.scheduler.running = {key: dyno for key, dyno in stage.panel.scheduler.running.items() if key.app_id != app.id}
    await reconcile.reconcile(stage.panel)
    async with stage.panel.transaction() as conn:
        assert (await routes.get(conn, app.id)).endpoints == ()


async def test_what_an_app_without_a_release_runs_is_stopped(stage):
    app = await deployed(stage)
    async with stage.panel.transaction() as conn:
        await apps.set_current_release(conn, app.id, None)
    await reconcile.reconcile(stage.panel)
    assert not await stage.panel.scheduler.dynos(app.id)


async def test_one_app_that_cannot_be_repaired_holds_up_no_other(stage):
    broken, healthy = await deployed(stage, "aaa"), await deployed(stage, "zzz")
    async with stage.panel.transaction() as conn:
        none_yet = await releases.add(
            conn,
            broken.id,
            slug_id=None,
            config_version_id=(await releases.get(conn, (await apps.get(conn, broken.id)).current_release_id)).config_version_id,
            description="Nothing to run",
            account_id=None,
        )
        await apps.set_current_release(conn, broken.id, none_yet.id)
    stage.panel.scheduler.running.clear()
    await reconcile.reconcile(stage.panel)
    async with stage.panel.transaction() as conn:
        assert (await rollouts.active(conn, healthy.id)).reason is RolloutReason.REPAIR


async def test_a_tree_that_is_pushed_again_on_purpose_is_built_again(stage):
    app = await stage.app()
    build = await stage.push(app, "tree")
    await stage.work()
    compiled = len(stage.panel.builder.steps)
    await asyncio.to_thread(Path(stage.panel.repositories.path(app.id), "refs/heads/main").write_text, f"{build.source.commit}\n")
    again = await stage.push(app, "tree")
    await stage.work()
    _, lines = await follow(stage, again)
    assert lines[0] == "-----> Python app detected"
    assert len(stage.panel.builder.steps) > compiled


async def test_a_claim_that_fails_ends_nothing_that_runs(stage):
    app = await deployed(stage)
    scheduler = stage.panel.scheduler
    scheduler.hold = asyncio.Event()
    build = await stage.push(app, "new tree")
    await build_flow.work(stage.panel, "worker")
    claims = 0

    async def claim():
        nonlocal claims
        claims += 1
        if claims > 1:
            scheduler.hold.set()
            raise Unavailable("The database does not answer.")
        async with stage.panel.transaction() as conn:
            return await rollouts.claim(conn, "worker", 20)

    await drain(claim, partial(rollout_flow._perform, stage.panel), 2)  # noqa: SLF001 - what a worker performs
    release, _ = await follow(stage, build)
    assert release.version == 2


async def test_an_organization_cannot_hold_every_place_for_rollouts(stage):
    names = [f"app{number}" for number in range(rollouts.MAX_OF_ONE_ORGANIZATION + 1)]
    for name in names:
        await stage.push(await stage.app(name))
    await build_flow.work(stage.panel, "worker")
    async with stage.panel.transaction() as conn:
        claimed = [await rollouts.claim(conn, "worker", 60) for _ in names]
    assert claimed[-1] is None
    assert None not in claimed[:-1]


async def test_the_places_of_a_worker_that_was_lost_are_free_again(stage):
    names = [f"app{number}" for number in range(rollouts.MAX_OF_ONE_ORGANIZATION)]
    for name in names:
        await stage.push(await stage.app(name))
    await build_flow.work(stage.panel, "worker")
    async with stage.panel.transaction() as conn:
        for _ in names:
            await rollouts.claim(conn, "dead worker", -1)
    async with stage.panel.transaction() as conn:
        assert await rollouts.claim(conn, "worker", 60)


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
