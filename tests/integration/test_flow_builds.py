"""Builds of an app: what they show, how they fail, and who waits for them; on a real database."""

import asyncio
from pathlib import Path

import pytest

from skypanel.domain.build import BuildState
from skypanel.domain.errors import Conflict
from skypanel.domain.output import build_stream
from skypanel.flow import build as build_flow
from skypanel.flow import config as config_flow
from skypanel.flow import settings as settings_flow
from skypanel.flow.follow import follow_build
from skypanel.store import builds, releases
from tests.support.deploys import current, follow


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


async def test_who_waits_for_a_build_is_told_where_it_stands_and_whenever_that_changes(stage):
    busy, lines = [await stage.push(await stage.app(name)) for name in ("one", "two")], asyncio.Queue()
    waiting = await stage.push(await stage.app("three"))
    async with stage.panel.transaction() as conn:
        running = [await builds.claim(conn, "another worker", 60, of_one=2) for _ in busy]
    following = asyncio.create_task(follow_build(stage.panel, waiting.id, lines.put))
    async with asyncio.timeout(60):
        assert await lines.get() == "-----> Waiting: 2 builds ahead, your organization builds at most 2 at once"
        async with stage.panel.transaction() as conn:
            await builds.finish(conn, running[0].id, 1, BuildState.FAILED)
        assert await lines.get() == "-----> Waiting: 1 build ahead"
        async with stage.panel.transaction() as conn:
            await builds.finish(conn, running[1].id, 1, BuildState.FAILED)
        assert await lines.get() == "-----> Waiting for a free worker"
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
