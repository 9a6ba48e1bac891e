"""Rollouts that somebody cancels, on a real database."""

import asyncio

import pytest

from skypanel.domain.errors import Unavailable
from skypanel.domain.release import ReleaseState, RolloutState
from skypanel.flow import build as build_flow
from skypanel.flow import cancellation
from skypanel.flow import rollout as rollout_flow
from skypanel.store import releases, rollouts
from tests.support.deploys import current, deployed, follow


@pytest.fixture(autouse=True)
def eager(monkeypatch):
    monkeypatch.setattr(cancellation, "POLL_S", 0.02)


async def built(stage, app):
    """Build a push, whose rollout then waits."""
    build = await stage.push(app, "new tree")
    await build_flow.work(stage.panel, "worker")
    async with stage.panel.transaction() as conn:
        return build, await rollouts.newest_release(conn, app.id)


async def test_a_pending_rollout_ends_at_once(stage):
    app = await deployed(stage)
    build, rollout = await built(stage, app)
    assert await rollout_flow.cancel(stage.panel, rollout.id, "Ada cancelled this deploy.")
    assert not await rollout_flow.cancel(stage.panel, rollout.id, "Again.")
    error, lines = await follow(stage, build)
    assert "v2 was cancelled" in str(error)
    assert " !     Ada cancelled this deploy." in lines
    await stage.work()
    assert (await current(stage, app)).version == 1
    async with stage.panel.transaction() as conn:
        release = await releases.of_build(conn, build.id)
    assert (release.state, release.error) == (ReleaseState.FAILED, "Ada cancelled this deploy.")


async def test_a_running_rollout_is_undone_by_its_worker(stage):
    app = await deployed(stage)
    build, rollout = await built(stage, app)
    scheduler = stage.panel.scheduler
    before = set(scheduler.running)
    scheduler.hold = asyncio.Event()
    rolling = asyncio.create_task(rollout_flow.work(stage.panel, "worker"))
    await scheduler.waiting.wait()
    assert set(scheduler.running) > before
    assert await rollout_flow.cancel(stage.panel, rollout.id, "Ada cancelled this deploy.")
    await asyncio.wait_for(rolling, 60)
    assert set(scheduler.running) == before
    assert (await current(stage, app)).version == 1
    async with stage.panel.transaction() as conn:
        ended = await rollouts.get(conn, rollout.id)
        assert (await releases.of_build(conn, build.id)).error == "Ada cancelled this deploy."
    assert ended.state is RolloutState.FAILED
    assert ended.cancelled_at <= ended.finished_at
    error, lines = await follow(stage, build)
    assert "v2 was cancelled" in str(error)
    assert " !     Ada cancelled this deploy." in lines


async def test_a_cancelled_rollout_whose_worker_is_lost_is_ended_by_the_next(stage):
    app = await deployed(stage)
    _, rollout = await built(stage, app)
    async with stage.panel.transaction() as conn:
        await rollouts.claim(conn, "dead worker", lease_s=-1)
    assert await rollout_flow.cancel(stage.panel, rollout.id, "Ada cancelled this deploy.")
    scheduler = stage.panel.scheduler
    scheduler.hold = asyncio.Event()  # a rollout that went on would never end
    await asyncio.wait_for(stage.work(), 60)
    async with stage.panel.transaction() as conn:
        assert (await rollouts.get(conn, rollout.id)).state is RolloutState.FAILED
    assert (await current(stage, app)).version == 1


async def test_what_is_live_cannot_be_cancelled(stage):
    app = await deployed(stage)
    async with stage.panel.transaction() as conn:
        rollout = await rollouts.newest_release(conn, app.id)
    assert not await rollout_flow.cancel(stage.panel, rollout.id, "Too late.")


async def test_while_the_database_is_away_nobody_cancels():
    answers = iter([Unavailable("No answer."), None])
    ended = asyncio.Event()

    async def reason():
        answer = next(answers, "never")
        if answer == "never":
            ended.set()
            return None
        if isinstance(answer, Exception):
            raise answer
        return answer

    async with cancellation.until_cancelled(reason):
        await asyncio.wait_for(ended.wait(), 60)


async def test_another_timeout_stays_one():
    async def reason():
        return None

    with pytest.raises(TimeoutError):
        async with cancellation.until_cancelled(reason):
            raise TimeoutError
