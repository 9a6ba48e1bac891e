"""What reconciliation repairs, and what it leaves alone; on a real database."""

from dataclasses import replace
from uuid import UUID

from skypanel.domain.manifest import DynoState, Manifest, OneOff
from skypanel.domain.release import RolloutReason
from skypanel.flow import reconcile
from skypanel.flow import scale as scale_flow
from skypanel.store import apps, releases, routes
from tests.support.deploys import deployed
from tests.support.stored import active_rollout, failed_lately


async def test_reconciliation_brings_back_what_is_missing_and_then_rests(stage):
    app = await deployed(stage)
    scheduler = stage.panel.scheduler
    await reconcile.reconcile(stage.panel)
    async with stage.panel.transaction() as conn:
        assert await active_rollout(conn, app.id) is None
    scheduler.running.clear()
    await reconcile.reconcile(stage.panel)
    await reconcile.reconcile(stage.panel)
    async with stage.panel.transaction() as conn:
        assert (await active_rollout(conn, app.id)).reason is RolloutReason.REPAIR
    await stage.work()
    assert len(await scheduler.dynos(app.id)) == 1
    await reconcile.reconcile(stage.panel)
    async with stage.panel.transaction() as conn:
        assert await active_rollout(conn, app.id) is None


async def test_what_an_app_that_is_gone_left_is_removed(stage):
    app = await stage.app()
    stage.panel.upkeep.left = {app.id, UUID(int=1)}
    stage.panel.upkeep.networks = {app.organization_id, UUID(int=2)}
    await reconcile.remove_orphans(stage.panel)
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


async def test_a_failed_restart_leaves_the_old_dynos_and_asks_for_no_repair(stage):
    app = await deployed(stage)
    before = {dyno.key for dyno in await stage.panel.scheduler.dynos(app.id)}
    stage.panel.router.broken = True
    await scale_flow.restart(stage.panel, app, stage.admin)
    await stage.work()
    assert {dyno.key for dyno in await stage.panel.scheduler.dynos(app.id)} == before
    await reconcile.reconcile(stage.panel)
    async with stage.panel.transaction() as conn:
        assert await active_rollout(conn, app.id) is None


async def test_a_repair_that_failed_is_not_repeated_at_once(stage):
    app = await deployed(stage)
    stage.panel.scheduler.running.clear()
    stage.panel.router.broken = True
    await reconcile.reconcile(stage.panel)
    await stage.work()
    await reconcile.reconcile(stage.panel)
    async with stage.panel.transaction() as conn:
        assert await active_rollout(conn, app.id) is None
        assert await failed_lately(conn, app.id, within_s=60)
    stage.panel.scheduler.running.clear()
    await reconcile.reconcile(stage.panel)
    async with stage.panel.transaction() as conn:
        assert await active_rollout(conn, app.id)


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
            assert bool(await active_rollout(conn, app.id)) == (state is DynoState.UP)
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
        assert (await active_rollout(conn, healthy.id)).reason is RolloutReason.REPAIR
