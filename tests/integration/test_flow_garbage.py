"""What garbage collection takes, and what it must not."""

from datetime import timedelta

import pytest

from skypanel.domain.build import BuildState
from skypanel.domain.errors import Unavailable
from skypanel.domain.output import build_stream, rollout_stream
from skypanel.domain.release import ReleaseState, RolloutReason
from skypanel.drivers.output import archive
from skypanel.flow import apps as apps_flow
from skypanel.flow import garbage
from skypanel.flow import settings as settings_flow
from skypanel.store import apps, builds, releases, rollouts
from tests.support import factories

OLD = timedelta(days=2)


def keep(stage, kind, name, age=OLD):
    """Put an object into storage that was written so long ago."""
    stage.panel.objects.stored[kind, name] = b"x"
    stage.panel.objects.modified[kind, name] = stage.panel.clock.now() - age


def there(stage, kind):
    return {name for found, name in stage.panel.objects.stored if found == kind}


async def limit(stage, kept):
    await settings_flow.change(stage.panel, stage.admin, {"kept_releases": kept})


async def history(stage, app, count, **arguments):
    """Give an app releases that went live, the last of which serves, and return their slugs, oldest first."""
    slugs = []
    async with stage.panel.transaction() as conn:
        for _ in range(count):
            slug = await factories.slug(conn, app, **arguments)
            release = await factories.release(conn, app, slug_=slug, state=ReleaseState.SUCCEEDED)
            keep(stage, "slugs", slug.digest)
            slugs.append(slug)
        await apps.set_current_release(conn, app.id, release.id)
    return slugs


def digests(slugs):
    return {slug.digest for slug in slugs}


@pytest.mark.req("R14.1")
async def test_every_slug_is_kept_unless_an_administrator_says_otherwise(stage):
    slugs = await history(stage, await stage.app(), 20)
    await garbage.collect(stage.panel)
    assert there(stage, "slugs") == digests(slugs)


async def test_the_slugs_of_the_last_releases_of_each_app_are_kept(stage):
    first = await history(stage, await stage.app("first"), 5)
    second = await history(stage, await stage.app("second"), 2)
    await limit(stage, "3")
    await garbage.collect(stage.panel)
    assert there(stage, "slugs") == digests(first[2:]) | digests(second)


async def test_releases_that_failed_do_not_count_and_keep_nothing(stage):
    app = await stage.app()
    slugs = await history(stage, app, 2)
    async with stage.panel.transaction() as conn:
        for _ in range(3):
            failed = await factories.slug(conn, app)
            await factories.release(conn, app, slug_=failed, state=ReleaseState.FAILED)
            keep(stage, "slugs", failed.digest)
    await limit(stage, "2")
    await garbage.collect(stage.panel)
    assert there(stage, "slugs") == digests(slugs)


async def test_a_slug_in_use_is_never_taken(stage):
    app = await stage.app()
    serving, *later = await history(stage, app, 4)
    async with stage.panel.transaction() as conn:
        first = await releases.by_version(conn, app.id, 1)
        await apps.set_current_release(conn, app.id, first.id)
    await limit(stage, "1")
    await garbage.collect(stage.panel)
    assert there(stage, "slugs") == digests([serving, later[-1]])


async def test_the_slug_of_a_release_that_is_being_rolled_out_is_never_taken(stage):
    app = await stage.app()
    slugs = await history(stage, app, 4)
    async with stage.panel.transaction() as conn:
        pending = await factories.release(conn, app, slug_=slugs[0])
        second = await releases.by_version(conn, app.id, 2)
        await rollouts.add(conn, app.id, pending.id, RolloutReason.RELEASE)
        await rollouts.add(conn, app.id, second.id, RolloutReason.RESTART)
    await limit(stage, "1")
    await garbage.collect(stage.panel)
    assert there(stage, "slugs") == digests([slugs[0], slugs[1], slugs[3]])


async def test_the_slug_that_an_open_build_may_reuse_and_its_source_are_never_taken(stage):
    app = await stage.app()
    source = factories.source()
    async with stage.panel.transaction() as conn:
        slug = await factories.slug(conn, app)
        await factories.built(conn, app, slug, source)
        await factories.release(conn, app, slug_=slug, state=ReleaseState.SUCCEEDED)
    keep(stage, "slugs", slug.digest)
    keep(stage, "sources", source.digest)
    await history(stage, app, 2)
    await limit(stage, "1")
    async with stage.panel.transaction() as conn:
        await builds.add(conn, app.id, None, source)
    await garbage.collect(stage.panel)
    assert slug.digest in there(stage, "slugs")
    assert there(stage, "sources") == {source.digest}


async def test_a_slug_that_two_apps_share_goes_with_the_last(stage):
    first, second = await stage.app("first"), await stage.app("second")
    shared = factories.digest()
    await history(stage, first, 1, digest=shared)
    await history(stage, second, 1, digest=shared)
    await apps_flow.destroy(stage.panel, first, stage.admin)
    await garbage.collect(stage.panel)
    assert there(stage, "slugs") == {shared}
    await history(stage, second, 1)
    await limit(stage, "1")
    await garbage.collect(stage.panel)
    assert shared not in there(stage, "slugs")


async def test_a_source_is_kept_as_long_as_the_slug_that_was_made_of_it(stage):
    app = await stage.app()
    sources = [factories.source() for _ in range(3)]
    async with stage.panel.transaction() as conn:
        for source in sources[:2]:
            slug = await factories.slug(conn, app)
            await factories.built(conn, app, slug, source)
            await factories.release(conn, app, slug_=slug, state=ReleaseState.SUCCEEDED)
        await builds.add(conn, app.id, None, sources[2])
        failed = await builds.claim(conn, "a worker", 60, 2)
        await builds.finish(conn, failed.id, failed.attempt, BuildState.FAILED, error="broken")
    for source in sources:
        keep(stage, "sources", source.digest)
    await garbage.collect(stage.panel)
    assert there(stage, "sources") == {sources[0].digest, sources[1].digest}
    await limit(stage, "1")
    await garbage.collect(stage.panel)
    assert there(stage, "sources") == {sources[1].digest}


async def test_what_was_written_lately_is_left_alone_as_its_row_may_be_on_its_way(stage):
    for kind in ("slugs", "sources"):
        keep(stage, kind, factories.digest(), garbage.YOUNG - timedelta(minutes=1))
        keep(stage, kind, factories.digest("old"))
    await garbage.collect(stage.panel)
    assert len(there(stage, "slugs")) == len(there(stage, "sources")) == 1
    assert factories.digest("old") not in there(stage, "slugs")


async def test_an_object_that_is_written_anew_as_garbage_is_looked_for_is_left_alone(stage):
    digest = factories.digest("a slug")
    keep(stage, "slugs", digest)
    listed = stage.panel.objects.list

    async def list_and_write(kind):
        async for kept in listed(kind):
            yield kept
            keep(stage, kind, kept.name, timedelta(0))

    stage.panel.objects.list = list_and_write
    await garbage.collect(stage.panel)
    assert there(stage, "slugs") == {digest}


async def test_a_destroyed_app_leaves_its_output_for_a_day_and_no_other_apps_goes(stage):
    app, other = await stage.app(), await stage.app("other")
    kept = []
    for each in (app, other):
        build = await stage.push(each)
        await stage.work()
        async with stage.panel.transaction() as conn:
            release = await releases.of_build(conn, build.id)
            rollout = await rollouts.of_release(conn, release.id)
        for stream in (build_stream(build.id), rollout_stream(rollout.id)):
            await archive.put(stage.panel.objects, stream, 1, b"lines\n")
            kept.append(f"{stream}.1")
    await apps_flow.destroy(stage.panel, app, stage.admin)
    await garbage.collect(stage.panel)
    assert there(stage, "outputs") == set(kept)
    for name in kept:
        keep(stage, "outputs", name)
    await garbage.collect(stage.panel)
    assert there(stage, "outputs") == set(kept[2:])


async def test_what_names_no_build_is_not_ours_to_delete(stage):
    names = {"build/not-an-id.1", "notes", f"build/{'-' * 36}.1"}
    for name in names:
        keep(stage, "outputs", name)
    await garbage.collect(stage.panel)
    assert there(stage, "outputs") == names


async def test_more_garbage_than_is_looked_at_at_once(stage):
    slugs = await history(stage, await stage.app(), 2)
    for _ in range(2 * garbage.AT_ONCE + 1):
        keep(stage, "slugs", factories.digest())
    await garbage.collect(stage.panel)
    assert there(stage, "slugs") == digests(slugs)


async def test_an_app_can_be_destroyed_while_storage_is_down_and_its_objects_go_later(stage):
    app = await stage.app()
    await history(stage, app, 1)
    delete = stage.panel.objects.delete

    async def refuse(*_):
        raise Unavailable("The object storage does not answer.")

    stage.panel.objects.delete = refuse
    await apps_flow.destroy(stage.panel, app, stage.admin)
    stage.panel.objects.delete = delete
    assert len(there(stage, "slugs")) == 1
    await garbage.collect(stage.panel)
    assert there(stage, "slugs") == set()


async def test_collecting_twice_takes_nothing_more(stage):
    app = await stage.app()
    await stage.push(app)
    await stage.work()
    for kind, name in list(stage.panel.objects.stored):
        keep(stage, kind, name)
    before = dict(stage.panel.objects.stored)
    await garbage.collect(stage.panel)
    await garbage.collect(stage.panel)
    assert stage.panel.objects.stored == before
    async with stage.panel.transaction() as conn:
        current = await apps.get(conn, app.id)
        assert (await releases.get(conn, current.current_release_id)).state is ReleaseState.SUCCEEDED


async def test_the_logs_of_an_app_that_is_no_more_are_taken(stage):
    app, gone = await stage.app(), await stage.app("gone")
    for each in (app, gone):
        await stage.panel.logs.write(each, "a line")
    await apps_flow.destroy(stage.panel, gone, stage.admin)
    assert list(stage.panel.logs.lines) == [app.id]
    await stage.panel.logs.write(gone, "a late line")
    await garbage.collect(stage.panel)
    assert list(stage.panel.logs.lines) == [app.id]
