import pytest

from skypanel.domain.errors import NotFound
from skypanel.domain.release import ReleaseState, RolloutReason, RolloutState
from skypanel.store import releases, rollouts
from tests.support import factories
from tests.support.stored import active_rollout

LEASE_S = 60
LAPSED = -1


async def released(conn, app, reason=RolloutReason.RELEASE):
    return await rollouts.add(conn, app.id, (await factories.release(conn, app)).id, reason)


async def state(conn, rollout):
    release = await releases.get(conn, rollout.release_id)
    return (await rollouts.get(conn, rollout.id)).state, release.state


async def test_a_rollout_from_release_to_live(database):
    async with database.transaction() as conn:
        app = await factories.app(conn)
        assert await active_rollout(conn, app.id) is None
        assert await rollouts.newest_release(conn, app.id) is None
        added = await released(conn, app)
        assert (added.state, added.attempt, added.reason) == (RolloutState.PENDING, 0, RolloutReason.RELEASE)
        assert await rollouts.get(conn, added.id) == await active_rollout(conn, app.id) == added
        assert await rollouts.of_release(conn, added.release_id) == await rollouts.newest_release(conn, app.id) == added
        assert await rollouts.waiting(conn) == 1
        claimed = await rollouts.claim(conn, "worker", LEASE_S)
        assert (claimed.id, claimed.state, claimed.attempt) == (added.id, RolloutState.RUNNING, 1)
        assert await rollouts.claim(conn, "other", LEASE_S) is None
        assert await rollouts.waiting(conn) == 0
        assert await rollouts.renew(conn, claimed.id, 1, LEASE_S)
        assert not await rollouts.superseded(conn, claimed)
        assert await rollouts.finish(conn, claimed.id, 1, RolloutState.SUCCEEDED)
        assert await active_rollout(conn, app.id) is None
        assert (await rollouts.of_release(conn, added.release_id)).state is RolloutState.SUCCEEDED
        assert await rollouts.of_release(conn, factories.uuid4()) is None
        with pytest.raises(NotFound, match="no such rollout"):
            await rollouts.get(conn, factories.uuid4())


async def test_one_rollout_of_an_app_runs_at_a_time(database):
    async with database.transaction() as conn:
        app, other = await factories.app(conn), await factories.app(conn)
        await released(conn, app)
        running = await rollouts.claim(conn, "worker", LEASE_S)
        waiting = await released(conn, app)
        elsewhere = await released(conn, other)
        assert (await rollouts.claim(conn, "worker", LEASE_S)).id == elsewhere.id
        assert await rollouts.claim(conn, "worker", LEASE_S) is None
        assert await rollouts.superseded(conn, running)
        assert not await rollouts.superseded(conn, elsewhere)
        assert await rollouts.finish(conn, running.id, running.attempt, RolloutState.SUPERSEDED)
        assert (await rollouts.claim(conn, "worker", LEASE_S)).id == waiting.id


async def test_the_newest_release_overtakes_those_that_wait(database):
    async with database.transaction() as conn:
        app, other = await factories.app(conn), await factories.app(conn)
        old, older = await released(conn, app), await released(conn, app)
        newest = await released(conn, app)
        elsewhere = await released(conn, other)
        assert (await rollouts.claim(conn, "worker", LEASE_S)).id == newest.id
        for overtaken in (old, older):
            assert await state(conn, overtaken) == (RolloutState.SUPERSEDED, ReleaseState.SUPERSEDED)
        assert await state(conn, newest) == (RolloutState.RUNNING, ReleaseState.PENDING)
        assert await state(conn, elsewhere) == (RolloutState.PENDING, ReleaseState.PENDING)


async def test_scaling_overtakes_no_release_and_is_not_lost_to_one(database):
    async with database.transaction() as conn:
        app = await factories.app(conn)
        live = await factories.release(conn, app, state=ReleaseState.SUCCEEDED)
        scaled = await rollouts.add(conn, app.id, live.id, RolloutReason.SCALE)
        release = await released(conn, app)
        restarted = await rollouts.add(conn, app.id, live.id, RolloutReason.RESTART)
        first = await rollouts.claim(conn, "worker", LEASE_S)
        assert first.id == release.id
        assert await state(conn, scaled) == (RolloutState.PENDING, ReleaseState.SUCCEEDED)
        assert not await rollouts.superseded(conn, first)
        assert await rollouts.finish(conn, first.id, first.attempt, RolloutState.FAILED)
        assert (await rollouts.claim(conn, "worker", LEASE_S)).id == restarted.id
        assert await state(conn, scaled) == (RolloutState.SUPERSEDED, ReleaseState.SUCCEEDED)
        assert (await rollouts.newest_release(conn, app.id)).id == release.id


async def test_the_rollout_of_a_release_is_the_one_that_made_it_live(database):
    async with database.transaction() as conn:
        app = await factories.app(conn)
        made = await released(conn, app)
        for reason in set(RolloutReason) - {RolloutReason.RELEASE}:
            await rollouts.add(conn, app.id, made.release_id, reason)
        assert await rollouts.of_release(conn, made.release_id) == made


async def test_a_lapsed_restart_gives_way_to_a_release(database):
    async with database.transaction() as conn:
        app = await factories.app(conn)
        live = await factories.release(conn, app, state=ReleaseState.SUCCEEDED)
        await rollouts.add(conn, app.id, live.id, RolloutReason.RESTART)
        silent = await rollouts.claim(conn, "silent", LAPSED)
        release = await released(conn, app)
    async with database.transaction() as conn:
        assert (await rollouts.claim(conn, "other", LEASE_S)).id == release.id
        assert await state(conn, silent) == (RolloutState.SUPERSEDED, ReleaseState.SUCCEEDED)


async def test_a_lapsed_rollout_is_resumed_and_its_worker_fenced_off(database):
    async with database.transaction() as conn:
        added = await released(conn, await factories.app(conn))
        silent = await rollouts.claim(conn, "silent", LAPSED)
    async with database.transaction() as conn:
        assert await rollouts.waiting(conn) == 1
        resumed = await rollouts.claim(conn, "other", LEASE_S)
        assert (resumed.id, resumed.attempt) == (added.id, 2)
        assert not await rollouts.renew(conn, silent.id, silent.attempt, LEASE_S)
        assert not await rollouts.finish(conn, silent.id, silent.attempt, RolloutState.FAILED)
        assert await rollouts.finish(conn, resumed.id, resumed.attempt, RolloutState.SUCCEEDED)


async def test_a_lapsed_rollout_is_overtaken_by_a_newer_release(database):
    async with database.transaction() as conn:
        app = await factories.app(conn)
        await released(conn, app)
        silent = await rollouts.claim(conn, "silent", LAPSED)
        newer = await released(conn, app)
    async with database.transaction() as conn:
        assert (await rollouts.claim(conn, "other", LEASE_S)).id == newer.id
        assert await state(conn, silent) == (RolloutState.SUPERSEDED, ReleaseState.SUPERSEDED)
        assert not await rollouts.finish(conn, silent.id, silent.attempt, RolloutState.SUCCEEDED)


async def test_a_lapsed_rollout_goes_before_what_does_not_overtake_it(database):
    async with database.transaction() as conn:
        app = await factories.app(conn)
        await released(conn, app)
        silent = await rollouts.claim(conn, "silent", LAPSED)
        await rollouts.add(conn, app.id, silent.release_id, RolloutReason.SCALE)
    async with database.transaction() as conn:
        resumed = await rollouts.claim(conn, "other", LEASE_S)
        assert (resumed.id, resumed.attempt) == (silent.id, 2)
        assert await rollouts.claim(conn, "third", LEASE_S) is None


async def test_organizations_take_turns(database):
    async with database.transaction() as conn:
        busy, modest = await factories.organization(conn), await factories.organization(conn)
        names = {}
        for owner, name in [(busy, "busy1"), (busy, "busy2"), (busy, "busy3"), (modest, "modest1")]:
            names[(await released(conn, await factories.app(conn, name, owner=owner))).id] = name
        order = [names[(await rollouts.claim(conn, "worker", LEASE_S)).id] for _ in names]
    assert order == ["busy1", "modest1", "busy2", "busy3"]
