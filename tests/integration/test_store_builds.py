import asyncio

import pytest

from skypanel.domain.build import BuildState
from skypanel.domain.errors import Conflict, NotFound
from skypanel.store import builds, slugs
from tests import factories

LEASE_S = 60
LAPSED = -1


async def test_a_build_from_push_to_slug(database):
    async with database.transaction() as conn:
        app = await factories.app(conn)
        source = factories.source()
        added = await builds.add(conn, app.id, None, source)
        assert (added.state, added.attempt, added.source) == (BuildState.PENDING, 0, source)
        assert await builds.active(conn, app.id) == await builds.get(conn, added.id) == added
        assert await builds.waiting(conn) == 1
        claimed = await builds.claim(conn, "worker", LEASE_S)
        assert (claimed.id, claimed.state, claimed.attempt) == (added.id, BuildState.BUILDING, 1)
        assert await builds.claim(conn, "other", LEASE_S) is None
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
        first = await builds.claim(conn, "worker", LEASE_S)
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
            order.append(names[(await builds.claim(conn, "worker", LEASE_S)).id])
    assert order == ["busy1", "modest1", "busy2", "modest2", "busy3"]


@pytest.mark.req("R3.2")
async def test_a_claim_sees_what_another_claims_at_the_same_time(database):
    async with database.transaction() as conn:
        busy, modest = await factories.organization(conn), await factories.organization(conn)
        first, _, fair = [await factories.build(conn, await factories.app(conn, owner=owner)) for owner in (busy, busy, modest)]

    async def claim():
        async with database.transaction() as conn:
            return (await builds.claim(conn, "other", LEASE_S)).id

    async with database.transaction() as conn:
        assert (await builds.claim(conn, "worker", LEASE_S)).id == first.id
        other = asyncio.create_task(claim())
        await asyncio.wait({other}, timeout=0.3)
    assert await other == fair.id


@pytest.mark.req("R3.2")
async def test_workers_that_claim_at_once_never_get_the_same(database):
    async with database.transaction() as conn:
        added = {(await factories.build(conn, await factories.app(conn))).id for _ in range(8)}

    async def claim(number):
        async with database.transaction() as conn:
            return (await builds.claim(conn, f"worker{number}", LEASE_S)).id

    assert set(await asyncio.gather(*(claim(number) for number in range(8)))) == added


async def test_a_claim_that_is_rolled_back_is_undone(database):
    async with database.transaction() as conn:
        added = await factories.build(conn, await factories.app(conn))

    async def claim_and_die():
        async with database.transaction() as conn:
            await builds.claim(conn, "worker", LEASE_S)
            raise KeyError

    with pytest.raises(KeyError):
        await claim_and_die()
    async with database.transaction() as conn:
        assert await builds.get(conn, added.id) == added


async def test_a_silent_worker_loses_its_build(database):
    async with database.transaction() as conn:
        silent, alive = await factories.app(conn), await factories.app(conn)
        await factories.build(conn, silent)
        lost = await builds.claim(conn, "silent", LAPSED)
        await factories.build(conn, alive)
        kept = await builds.claim(conn, "alive", LEASE_S)
    async with database.transaction() as conn:
        assert await builds.claim(conn, "other", LEASE_S) is None
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
        build = await builds.claim(conn, "slow", LAPSED)
    async with database.transaction() as conn:
        assert await builds.renew(conn, build.id, build.attempt, LEASE_S)
    async with database.transaction() as conn:
        assert await builds.expire(conn, "lost") == []


async def test_another_attempt_is_fenced_off(database):
    async with database.transaction() as conn:
        await factories.build(conn, await factories.app(conn))
        build = await builds.claim(conn, "worker", LEASE_S)
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
