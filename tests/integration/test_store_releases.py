import asyncio

import pytest

from skypanel.domain.errors import Conflict, NotFound
from skypanel.domain.release import ReleaseState
from skypanel.store import config_vars, releases, slugs
from skypanel.store.engine import Postgres
from tests.support import factories

POOLS = 4
RELEASES = 40


async def test_versions_have_no_gaps_under_concurrency(dsn, database):
    async with database.transaction() as conn:
        apps = [await factories.app(conn), await factories.app(conn)]
        config = {app.id: (await config_vars.head(conn, app.id)).id for app in apps}

    async def add(pool, app, number):
        async with pool.transaction() as conn:
            await releases.add(conn, app.id, slug_id=None, config_version_id=config[app.id], description=str(number), account_id=None)
            if number % 5 == 0:
                raise KeyError

    pools = [Postgres(dsn) for _ in range(POOLS)]
    outcomes = await asyncio.gather(
        *(add(pools[number % POOLS], app, number) for number in range(RELEASES) for app in apps), return_exceptions=True
    )
    await asyncio.gather(*(pool.close() for pool in pools))
    rolled_back = RELEASES // 5
    assert [type(outcome) for outcome in outcomes if outcome is not None] == [KeyError] * rolled_back * 2
    async with database.transaction() as conn:
        for app in apps:
            versions = [release.version for release in await releases.recent(conn, app.id, 2 * RELEASES)]
            assert versions == list(range(RELEASES - rolled_back, 0, -1))


async def test_releases(database):
    async with database.transaction() as conn:
        app, person = await factories.app(conn), await factories.account(conn)
        build = await factories.built(conn, app)
        head = await config_vars.head(conn, app.id)
        first = await releases.add(
            conn, app.id, slug_id=build.slug_id, config_version_id=head.id, description="Deploy", account_id=person.id, build_id=build.id
        )
        assert (first.version, first.state, first.account_id, first.build_id) == (1, ReleaseState.PENDING, person.id, build.id)
        assert await releases.of_build(conn, build.id) == first
        assert await releases.of_build(conn, factories.uuid4()) is None
        assert await releases.finish(conn, first.id, ReleaseState.SUCCEEDED)
        assert not await releases.finish(conn, first.id, ReleaseState.FAILED, "too late")
        failed = await factories.release(conn, app)
        assert await releases.finish(conn, failed.id, ReleaseState.FAILED, "It broke.")
        pending = await factories.release(conn, app)
        assert [release.version for release in await releases.recent(conn, app.id, 2)] == [3, 2]
        assert (await releases.get(conn, first.id)).state is ReleaseState.SUCCEEDED
        assert (await releases.get(conn, failed.id)).error == "It broke."
        assert await releases.by_version(conn, app.id, 3) == pending
        assert set(await releases.by_ids(conn, [first.id, pending.id, factories.uuid4()])) == {first.id, pending.id}
        assert await releases.by_ids(conn, []) == {}


async def test_a_version_that_does_not_exist_says_which_do(database):
    async with database.transaction() as conn:
        app = await factories.app(conn)
        with pytest.raises(NotFound, match=r"no release v1\. Nothing has been released yet"):
            await releases.by_version(conn, app.id, 1)
        await factories.release(conn, app)
        await factories.release(conn, app)
        with pytest.raises(NotFound, match=r"no release v7\. Choose one from v1 to v2"):
            await releases.by_version(conn, app.id, 7)
        with pytest.raises(NotFound, match="no such release"):
            await releases.get(conn, factories.uuid4())


@pytest.mark.req("R14.1")
async def test_a_slug_that_a_release_has_cannot_be_deleted(database):
    async with database.transaction() as conn:
        release = await factories.release(conn, await factories.app(conn))

    async def delete():
        async with database.transaction() as conn:
            await conn.execute(slugs.slugs.delete().where(slugs.slugs.c.id == release.slug_id))

    with pytest.raises(Conflict, match="still needs it"):
        await delete()
