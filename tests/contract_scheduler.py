"""What every Scheduler driver does. A subclass has fixtures `scheduler` and `objects`."""

from dataclasses import replace
from uuid import uuid4

import pytest

from skypanel.domain.manifest import DynoState, Manifest
from skypanel.ports import Unready
from tests.launcher_fixture import make_app, make_manifest, stored_slug
from tests.until import until

SERVE = "python3 server.py"
READY_S = 20.0


async def ignore(text):
    pass


async def launched(scheduler, objects, commands, **changes):
    """Stage and launch an app's manifest, wait until it is ready, and return app and manifest."""
    app = changes.pop("app", None) or make_app()
    manifest = make_manifest(app, await stored_slug(objects), commands, **changes)
    await scheduler.stage(app, manifest.slug_digest)
    await scheduler.launch(manifest)
    return app, manifest


def keys(dynos):
    return {dyno.key for dyno in dynos if dyno.state is not DynoState.STOPPING}


class SchedulerContract:
    async def test_a_manifests_dynos_run_once_they_are_ready(self, scheduler, objects):
        app, manifest = await launched(scheduler, objects, {"web": (SERVE, 2), "worker": ("sleep 1000", 1), "release": ("true", 0)})
        ready = await scheduler.wait_ready(manifest, READY_S)
        assert [dyno.key for dyno in ready] == list(manifest.dynos())
        assert {dyno.state for dyno in ready} == {DynoState.UP}
        assert keys(await scheduler.dynos(app.id)) == set(manifest.dynos())
        assert len({dyno.endpoint for dyno in ready if dyno.key.process_type == "web"}) == 2
        assert [dyno.endpoint for dyno in ready if dyno.key.process_type == "worker"] == [None]
        await scheduler.remove(app.id)

    async def test_launching_again_starts_only_what_is_missing(self, scheduler, objects):
        app, manifest = await launched(scheduler, objects, {"web": (SERVE, 1)})
        (before,) = await scheduler.wait_ready(manifest, READY_S)
        more = replace(manifest, processes=(replace(manifest.processes[0], quantity=2),))
        await scheduler.launch(more)
        after = await scheduler.wait_ready(more, READY_S)
        assert len(after) == 2
        assert before in after
        await scheduler.remove(app.id)

    async def test_two_releases_run_beside_each_other_until_the_old_one_retires(self, scheduler, objects):
        app, old = await launched(scheduler, objects, {"web": (SERVE, 1)})
        _, new = await launched(scheduler, objects, {"web": (SERVE, 1)}, app=app, version=2)
        await scheduler.wait_ready(old, READY_S)
        await scheduler.wait_ready(new, READY_S)
        assert keys(await scheduler.dynos(app.id)) == {*old.dynos(), *new.dynos()}
        await scheduler.retire(new)
        assert keys(await scheduler.dynos(app.id)) == set(new.dynos())
        await scheduler.remove(app.id)

    async def test_nothing_is_left_of_an_app_that_is_to_run_nothing(self, scheduler, objects):
        app, manifest = await launched(scheduler, objects, {"web": (SERVE, 1), "worker": ("sleep 1000", 1)})
        await scheduler.wait_ready(manifest, READY_S)
        await scheduler.retire(Manifest.empty(app))
        assert keys(await scheduler.dynos(app.id)) == set()
        await until(lambda: no_dynos(scheduler, app.id))
        await scheduler.remove(app.id)

    async def test_apps_do_not_see_each_other(self, scheduler, objects):
        mine, manifest = await launched(scheduler, objects, {"web": (SERVE, 1)})
        other, _ = await launched(scheduler, objects, {"web": (SERVE, 1)})
        await scheduler.remove(other.id)
        assert keys(await scheduler.dynos(mine.id)) == set(manifest.dynos())
        assert await scheduler.dynos(other.id) == []
        assert set(manifest.dynos()) <= keys(await scheduler.dynos())
        await scheduler.remove(mine.id)

    async def test_a_crash_is_told_at_once(self, scheduler, objects):
        app, manifest = await launched(scheduler, objects, {"web": ("crash", 1)})
        with pytest.raises(Unready) as unready:
            await scheduler.wait_ready(manifest, READY_S)
        assert unready.value.dyno == "web.1"
        assert "before it listened on $PORT" in unready.value.reason
        await scheduler.remove(app.id)

    async def test_a_dyno_that_is_stopped_starts_again_in_its_place(self, scheduler, objects):
        app, manifest = await launched(scheduler, objects, {"web": (SERVE, 2), "worker": ("sleep 1000", 1)})
        before = {dyno.key: dyno for dyno in await scheduler.wait_ready(manifest, READY_S)}
        assert await scheduler.stop(app.id, "web.2") == ["web.2"]
        await until(lambda: started_again(scheduler, before, {"web.2"}))
        after = {dyno.key: dyno for dyno in await scheduler.wait_ready(manifest, READY_S)}
        assert {key for key in before if after[key].since == before[key].since} == {key for key in before if key.name != "web.2"}
        assert [dyno.endpoint for dyno in after.values()] == [dyno.endpoint for dyno in before.values()]
        assert await scheduler.stop(app.id, "web") == ["web.1", "web.2"]
        await until(lambda: started_again(scheduler, after, {"web.1", "web.2"}))
        await scheduler.remove(app.id)

    async def test_nothing_is_stopped_where_nothing_has_the_name(self, scheduler, objects):
        app, manifest = await launched(scheduler, objects, {"web": (SERVE, 1)})
        (before,) = await scheduler.wait_ready(manifest, READY_S)
        assert [await scheduler.stop(app.id, name) for name in ("web.2", "worker", "we")] == [[], [], []]
        assert await scheduler.stop(uuid4(), "web.1") == []
        assert (await scheduler.dynos(app.id))[0].since == before.since
        await scheduler.remove(app.id)

    async def test_a_one_off_dyno_runs_to_its_end(self, scheduler, objects):
        app = make_app()
        manifest = make_manifest(app, await stored_slug(objects), {"web": (SERVE, 1)})
        assert (await scheduler.run(manifest, "true", ignore, 10.0, dyno="release.1")).ok
        assert not (await scheduler.run(manifest, "fail", ignore, 10.0)).ok
        assert await scheduler.dynos(app.id) == []

    async def test_nothing_runs_of_an_app_that_is_removed_or_was_never_there(self, scheduler, objects):
        app, manifest = await launched(scheduler, objects, {"web": (SERVE, 1)})
        await scheduler.wait_ready(manifest, READY_S)
        await scheduler.remove(app.id)
        await scheduler.remove(app.id)
        await scheduler.remove(uuid4())
        await until(lambda: no_dynos(scheduler, app.id))


async def no_dynos(scheduler, app_id):
    return not await scheduler.dynos(app_id)


async def started_again(scheduler, before, names):
    now = {dyno.key: dyno for dyno in await scheduler.dynos()}
    return all(now[key].state is DynoState.UP and now[key].since > before[key].since for key in before if key.name in names)
