import asyncio

import pytest

from skypanel.domain.build import BuildState, QueuePosition
from skypanel.domain.errors import Conflict, NotFound
from skypanel.store import build_queue, builds, slugs
from tests.support import factories

LEASE_S = 60
LAPSED = -1
OF_ONE = 3


async def test_a_build_from_push_to_slug(database):
    async with database.transaction() as conn:
        app = await factories.app(conn)
        source = factories.source()
        added = await builds.add(conn, app.id, None, source)
        assert (added.state, added.attempt, added.source) == (BuildState.PENDING, 0, source)
        assert await builds.active(conn, app.id) == await builds.get(conn, added.id) == added
        assert await builds.waiting(conn) == 1
        claimed = await builds.claim(conn, "worker", LEASE_S, OF_ONE)
        assert (claimed.id, claimed.state, claimed.attempt) == (added.id, BuildState.BUILDING, 1)
        assert await builds.claim(conn, "other", LEASE_S, OF_ONE) is None
        assert await builds.waiting(conn) == 0
        assert await builds.renew(conn, added.id, 1, LEASE_S)
        assert await builds.succeeded(conn, app.id, source.digest) is None
        slug = await factories.slug(conn, app)
        assert await builds.finish(conn, added.id, 1, BuildState.SUCCEEDED, slug_id=slug.id)
        finished = await builds.get(conn, added.id)
        assert (finished.state, finished.slug_id, finished.error) == (BuildState.SUCCEEDED, slug.id, None)
        assert await builds.active(conn, app.id) is None
        assert await builds.succeeded(conn, app.id, source.digest) == finished
        with pytest.raises(NotFound, match="no such build"):
            await builds.get(conn, factories.uuid4())


@pytest.mark.req("R6.3")
async def test_a_slug_is_recorded_with_its_size_and_process_types(database):
    async with database.transaction() as conn:
        app = await factories.app(conn)
        slug = await factories.slug(conn, app, process_types={"worker": "w", "web": "x"}, buildpacks=("nodejs", "python"), commit=None)
        found = await slugs.get(conn, slug.id)
        assert found == slug
        assert list(found.process_types) == ["worker", "web"]
        with pytest.raises(NotFound, match="no such slug"):
            await slugs.get(conn, factories.uuid4())


async def test_an_app_has_one_open_build(database):
    async with database.transaction() as conn:
        app, other = await factories.app(conn), await factories.app(conn)
        await factories.build(conn, app)
        await factories.build(conn, other)
        with pytest.raises(Conflict, match="under way"):
            await factories.build(conn, app)
        first = await builds.claim(conn, "worker", LEASE_S, OF_ONE)
        with pytest.raises(Conflict, match="under way"):
            await factories.build(conn, app)
        await builds.finish(conn, first.id, 1, BuildState.FAILED, error="It broke.")
        await factories.build(conn, app)
        assert [build.error for build in await builds.recent(conn, app.id, 5)] == [None, "It broke."]
        assert len(await builds.recent(conn, app.id, 1)) == 1


async def test_of_two_pushes_at_once_one_is_told(database):
    async with database.transaction() as conn:
        app = await factories.app(conn)

    async def push():
        async with database.transaction() as conn:
            await factories.build(conn, app)

    outcomes = await asyncio.gather(*(push() for _ in range(5)), return_exceptions=True)
    assert [type(outcome) for outcome in outcomes if outcome is not None] == [Conflict] * 4


@pytest.mark.req("R3.2")
async def test_organizations_take_turns(database):
    async with database.transaction() as conn:
        busy, modest = await factories.organization(conn), await factories.organization(conn)
        names = {}
        for owner, name in [(busy, "busy1"), (busy, "busy2"), (busy, "busy3"), (modest, "modest1"), (modest, "modest2")]:
            app = await factories.app(conn, name, owner=owner)
            names[(await factories.build(conn, app)).id] = name
    order = []
    for _ in names:
        async with database.transaction() as conn:
            order.append(names[(await builds.claim(conn, "worker", LEASE_S, OF_ONE)).id])
    assert order == ["busy1", "modest1", "busy2", "modest2", "busy3"]


async def queue(conn, *owners):
    """Add a build of an app of its own for each owner, and return them."""
    return [await factories.build(conn, await factories.app(conn, owner=owner)) for owner in owners]


async def turns(database, added, of_one=OF_ONE):
    """Claim and finish builds one after another, and return the order in which they came."""
    order = []
    for _ in added:
        async with database.transaction() as conn:
            claimed = await builds.claim(conn, "worker", LEASE_S, of_one)
            await builds.finish(conn, claimed.id, claimed.attempt, BuildState.FAILED, error="It broke.")
        order.append([build.id for build in added].index(claimed.id))
    return order


async def test_an_organization_has_no_more_than_its_share_at_once(database):
    async with database.transaction() as conn:
        busy, modest = await factories.organization(conn), await factories.organization(conn)
        first, second, held, other = await queue(conn, busy, busy, busy, modest)
        claimed = [await builds.claim(conn, "worker", LEASE_S, 2) for _ in range(4)]
        assert [build and build.id for build in claimed] == [first.id, other.id, second.id, None]
        assert await build_queue.turn(conn, held.id, 2) == QueuePosition(3, share=2)
        await builds.finish(conn, other.id, 1, BuildState.FAILED)
        assert await builds.claim(conn, "worker", LEASE_S, 2) is None
        await builds.finish(conn, first.id, 1, BuildState.FAILED)
        assert (await builds.claim(conn, "worker", LEASE_S, 2)).id == held.id


async def test_a_share_is_one_for_all_workers_and_a_lost_worker_uses_none(database):
    async with database.transaction() as conn:
        busy = await factories.organization(conn)
        _, held = await queue(conn, busy, busy)
        await builds.claim(conn, "here", LAPSED, 1)
        assert (await builds.claim(conn, "elsewhere", LEASE_S, 1)).id == held.id
        await queue(conn, busy)
        assert await builds.claim(conn, "a third", LEASE_S, 1) is None


async def test_with_one_slot_organizations_take_turns_too(database):
    async with database.transaction() as conn:
        busy, modest, late = [await factories.organization(conn) for _ in range(3)]
        added = await queue(conn, busy, busy, busy, modest, modest, late)
    assert await turns(database, added) == [0, 3, 5, 1, 4, 2]


async def test_a_build_knows_how_many_are_ahead(database):
    async with database.transaction() as conn:
        busy, modest = await factories.organization(conn), await factories.organization(conn)
        running, second, third, other = await queue(conn, busy, busy, busy, modest)
        assert [(await build_queue.turn(conn, build.id, OF_ONE)).ahead for build in (running, other, second, third)] == [0, 1, 2, 3]
        await builds.claim(conn, "worker", LEASE_S, OF_ONE)
        assert [(await build_queue.turn(conn, build.id, OF_ONE)).ahead for build in (other, second, third)] == [1, 2, 3]
        assert await build_queue.turn(conn, running.id, OF_ONE) is None
        await builds.finish(conn, running.id, 1, BuildState.FAILED)
        assert [(await build_queue.turn(conn, build.id, OF_ONE)).ahead for build in (other, second, third)] == [0, 1, 2]


@pytest.mark.parametrize("of_one", [1, 2, 5])
async def test_the_order_that_is_told_is_the_order_that_comes(database, of_one):
    async with database.transaction() as conn:
        owners = [await factories.organization(conn) for _ in range(3)]
        added = await queue(conn, *(owners[number] for number in (0, 0, 1, 0, 2, 1, 0, 2)))
        told = sorted(range(len(added)), key={i: (await build_queue.turn(conn, b.id, of_one)).ahead for i, b in enumerate(added)}.get)
    assert told == await turns(database, added, of_one)


@pytest.mark.req("R3.2")
async def test_a_claim_sees_what_another_claims_at_the_same_time(database):
    async with database.transaction() as conn:
        busy, modest = await factories.organization(conn), await factories.organization(conn)
        first, _, fair = [await factories.build(conn, await factories.app(conn, owner=owner)) for owner in (busy, busy, modest)]

    async def claim():
        async with database.transaction() as conn:
            return (await builds.claim(conn, "other", LEASE_S, OF_ONE)).id

    async with database.transaction() as conn:
        assert (await builds.claim(conn, "worker", LEASE_S, OF_ONE)).id == first.id
        other = asyncio.create_task(claim())
        await asyncio.wait({other}, timeout=0.3)
    assert await other == fair.id


@pytest.mark.req("R3.2")
async def test_workers_that_claim_at_once_never_get_the_same(database):
    async with database.transaction() as conn:
        added = {(await factories.build(conn, await factories.app(conn))).id for _ in range(8)}

    async def claim(number):
        async with database.transaction() as conn:
            return (await builds.claim(conn, f"worker{number}", LEASE_S, OF_ONE)).id

    assert set(await asyncio.gather(*(claim(number) for number in range(8)))) == added


async def test_a_claim_that_is_rolled_back_is_undone(database):
    async with database.transaction() as conn:
        added = await factories.build(conn, await factories.app(conn))

    async def claim_and_die():
        async with database.transaction() as conn:
            await builds.claim(conn, "worker", LEASE_S, OF_ONE)
            raise KeyError

    with pytest.raises(KeyError):
        await claim_and_die()
    async with database.transaction() as conn:
        assert await builds.get(conn, added.id) == added


async def test_a_silent_worker_loses_its_build(database):
    async with database.transaction() as conn:
        silent, alive = await factories.app(conn), await factories.app(conn)
        await factories.build(conn, silent)
        lost = await builds.claim(conn, "silent", LAPSED, OF_ONE)
        await factories.build(conn, alive)
        kept = await builds.claim(conn, "alive", LEASE_S, OF_ONE)
    async with database.transaction() as conn:
        assert await builds.claim(conn, "other", LEASE_S, OF_ONE) is None
        expired = await builds.expire(conn, "The worker was lost.")
        assert [(build.id, build.state, build.error) for build in expired] == [(lost.id, BuildState.FAILED, "The worker was lost.")]
        assert await builds.expire(conn, "again") == []
        assert not await builds.renew(conn, lost.id, lost.attempt, LEASE_S)
        assert not await builds.finish(conn, lost.id, lost.attempt, BuildState.SUCCEEDED)
        assert (await builds.get(conn, lost.id)).state is BuildState.FAILED
        assert await builds.renew(conn, kept.id, kept.attempt, LEASE_S)


async def test_a_renewed_lease_does_not_expire(database):
    async with database.transaction() as conn:
        await factories.build(conn, await factories.app(conn))
        build = await builds.claim(conn, "slow", LAPSED, OF_ONE)
    async with database.transaction() as conn:
        assert await builds.renew(conn, build.id, build.attempt, LEASE_S)
    async with database.transaction() as conn:
        assert await builds.expire(conn, "lost") == []


async def test_another_attempt_is_fenced_off(database):
    async with database.transaction() as conn:
        await factories.build(conn, await factories.app(conn))
        build = await builds.claim(conn, "worker", LEASE_S, OF_ONE)
        for attempt in (build.attempt - 1, build.attempt + 1):
            assert not await builds.renew(conn, build.id, attempt, LEASE_S)
            assert not await builds.finish(conn, build.id, attempt, BuildState.FAILED)
        assert await builds.finish(conn, build.id, build.attempt, BuildState.FAILED)
        assert not await builds.finish(conn, build.id, build.attempt, BuildState.SUCCEEDED)


async def test_the_newest_build_of_a_source_is_reused(database):
    async with database.transaction() as conn:
        app, other = await factories.app(conn), await factories.app(conn)
        source = factories.source("tree")
        await factories.built(conn, app, source_=source)
        newest = await factories.built(conn, app, source_=source)
        assert await builds.succeeded(conn, app.id, source.digest) == newest
        assert await builds.succeeded(conn, other.id, source.digest) is None
        assert await builds.succeeded(conn, app.id, factories.digest("another tree")) is None
