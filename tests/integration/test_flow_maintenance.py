"""Maintenance: the proxy has no route of the app, whatever else happens to it."""

from skypanel.domain.routing import Route
from skypanel.domain.settings import DEFAULTS
from skypanel.flow import apps as apps_flow
from skypanel.flow import maintenance, reconcile, release, scale
from skypanel.store import apps, audit, routes
from tests.support.stored import active_rollout


async def published(stage):
    async with stage.panel.transaction() as conn:
        return await routes.all(conn, DEFAULTS)


async def test_on_and_off(stage, app):
    before = stage.panel.router.routes[app.id]
    dynos = await stage.panel.scheduler.dynos(app.id)
    for _ in range(2):
        await maintenance.switch(stage.panel, app, stage.admin, on=True)
        assert await published(stage) == []
        assert app.id not in stage.panel.router.routes
    assert await stage.panel.scheduler.dynos(app.id) == dynos
    await maintenance.switch(stage.panel, app, stage.admin, on=False)
    assert await published(stage) == [before]
    assert stage.panel.router.routes[app.id] == before
    async with stage.panel.transaction() as conn:
        deeds = [entry for entry in await audit.recent(conn, 20) if entry.action == "app.maintenance"]
    assert [entry.details for entry in deeds] == [{"on": False}, {"on": True}]


async def test_it_outlives_deploys_restarts_rollbacks_scaling_and_another_name(stage, app):
    await maintenance.switch(stage.panel, app, stage.admin, on=True)
    await stage.push(app, "second")
    await stage.work()
    await scale.restart(stage.panel, app, stage.admin)
    await stage.work()
    await release.roll_back(stage.panel, app, 1, stage.admin)
    await stage.work()
    await scale.scale(stage.panel, app, {"web": 2}, stage.admin)
    await stage.work()
    await apps_flow.rename(stage.panel, app, "hallo", stage.admin)
    assert await published(stage) == []
    assert app.id not in stage.panel.router.routes
    await maintenance.switch(stage.panel, app, stage.admin, on=False)
    web = {dyno.endpoint for dyno in await stage.panel.scheduler.dynos(app.id) if dyno.key.process_type == "web"}
    (route,) = await published(stage)
    assert (route.hosts, set(route.endpoints)) == (("hallo.localhost",), web)


async def test_reconciliation_has_nothing_to_repair(stage, app):
    await maintenance.switch(stage.panel, app, stage.admin, on=True)
    await reconcile.reconcile(stage.panel)
    async with stage.panel.transaction() as conn:
        assert await active_rollout(conn, app.id) is None
        assert (await apps.get(conn, app.id)).maintenance


async def test_an_app_that_never_ran_can_be_in_maintenance(stage):
    early = await stage.app("early")
    await maintenance.switch(stage.panel, early, stage.admin, on=True)
    async with stage.panel.transaction() as conn:
        assert await routes.in_force(conn, early.id) == Route(early.id, (), ())
