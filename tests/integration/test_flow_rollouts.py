"""Rollouts that overtake each other, and what becomes of those whose worker is lost; on a real database."""

import asyncio
from functools import partial

from skypanel.domain.errors import Unavailable
from skypanel.domain.log import LogQuery, Source
from skypanel.domain.manifest import BOOT_TIMEOUT_S
from skypanel.domain.release import ReleaseState, RolloutState
from skypanel.flow import build as build_flow
from skypanel.flow import config as config_flow
from skypanel.flow import rollout as rollout_flow
from skypanel.flow import scale as scale_flow
from skypanel.flow.drain import drain
from skypanel.store import releases, rollouts
from tests.support.deploys import current, deployed, follow
from tests.support.stored import active_rollout


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
    assert any("supersedes" in line for line in lines)
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
        assert await active_rollout(conn, app.id) is None


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


async def test_the_log_says_that_a_web_dyno_did_not_boot_in_time(stage):
    app = await deployed(stage)
    stage.panel.builder.answer("cat", "/app/Procfile", out=b"web: silent\n")
    await stage.push(app, "new tree")
    await stage.work()
    lines = [line async for line in stage.panel.logs.read(app, LogQuery(sources=frozenset({Source.SYSTEM})))]
    text = f"Error R10 (Boot timeout) -> Web process failed to bind to $PORT within {BOOT_TIMEOUT_S:g} seconds of launch"
    assert [(line.dyno, line.text) for line in lines] == [("web.1", text)]


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
