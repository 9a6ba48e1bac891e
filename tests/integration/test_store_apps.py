import asyncio
from dataclasses import replace
from decimal import Decimal
from uuid import uuid4

import pytest
from sqlalchemy import func, select

from skypanel.domain.audit import AuditEntry
from skypanel.domain.errors import Conflict, Invalid, NotFound
from skypanel.domain.plan import FIRST_PLANS
from skypanel.domain.release import ReleaseState, RolloutReason
from skypanel.domain.routing import Route
from skypanel.domain.settings import DEFAULTS
from skypanel.store import apps, audit, config_vars, formation, plans, rollouts, routes, settings
from skypanel.store.tables import metadata
from skypanel.store.tables.apps import applications
from skypanel.store.tables.audit import audit_log
from skypanel.store.tables.billing import daily_usage, monthly_usage, resource_usage, usage_spans
from tests.support import factories


async def test_plans_have_versions_and_apps_keep_theirs(database):
    async with database.transaction() as conn:
        for offer in FIRST_PLANS:
            await plans.add(conn, offer)
        old = await plans.latest(conn, "Hobby")
        app = await apps.add(conn, uuid4(), "hello", (await factories.organization(conn)).id, old.id)
        dearer = await plans.add(conn, replace(FIRST_PLANS[0], hourly_price=Decimal("0.0099")))
        assert (old.version, dearer.version) == (1, 2)
        assert await plans.latest(conn, "Hobby") == dearer
        assert (await apps.get(conn, app.id)).plan == old
        assert [plan.name for plan in await plans.all(conn)] == ["Hobby", "Standard", "Pro", "Business"]
        assert (await plans.all(conn))[0] == dearer
        with pytest.raises(NotFound, match="no such plan"):
            await plans.latest(conn, "Huge")


async def test_plan_versions_are_counted_one_by_one(database):
    async def add():
        async with database.transaction() as conn:
            return (await plans.add(conn, FIRST_PLANS[0])).version

    assert sorted(await asyncio.gather(*(add() for _ in range(10)))) == list(range(1, 11))


async def test_apps(database):
    async with database.transaction() as conn:
        ada, bob = await factories.account(conn), await factories.account(conn)
        owner = await factories.organization(conn, ada)
        second, first = await factories.app(conn, "second", owner=owner), await factories.app(conn, "first", owner=owner)
        foreign = await factories.app(conn, "foreign")
        assert second.generation == 1
        assert second.current_release_id is None
        assert second.number < first.number
        assert await apps.get(conn, first.id) == await apps.by_name(conn, "first") == first
        assert await apps.by_name(conn, "third") is None
        assert await apps.of(conn, ada.id) == [first, second]
        assert await apps.of(conn, bob.id) == []
        assert await apps.ids(conn) == {first.id, foreign.id, second.id}
        assert await apps.by_ids(conn, [second.id, foreign.id, uuid4()]) == [foreign, second]
        assert await apps.by_ids(conn, []) == []
        assert [await apps.restart(conn, first.id) for _ in range(2)] == [2, 3]
        release = await factories.release(conn, first)
        await apps.set_current_release(conn, first.id, release.id)
        await apps.rename(conn, first.id, "renamed")
        assert await apps.get(conn, first.id) == replace(first, name="renamed", generation=3, current_release_id=release.id)
        for missing in (apps.get, apps.restart):
            with pytest.raises(NotFound, match="no such app"):
                await missing(conn, uuid4())


@pytest.mark.req("R6.1")
async def test_a_name_is_taken_for_every_organization(database):
    async with database.transaction() as conn:
        await factories.app(conn, "hello")
        with pytest.raises(Conflict, match=r"^The name hello is taken\."):
            await factories.app(conn, "hello")
        other = await factories.app(conn, "other")

    async def rename():
        async with database.transaction() as conn:
            await apps.rename(conn, other.id, "hello")

    with pytest.raises(Conflict, match=r"^The name hello is taken\."):
        await rename()


@pytest.mark.req("R6.1")
async def test_of_many_who_want_a_name_at_once_one_gets_it(database):
    async def take():
        async with database.transaction() as conn:
            await factories.app(conn, "hello")

    async with database.transaction() as conn:
        await factories.plan(conn)
    outcomes = await asyncio.gather(*(take() for _ in range(10)), return_exceptions=True)
    assert [type(outcome) for outcome in outcomes if outcome is not None] == [Conflict] * 9


async def test_a_number_is_never_used_again(database):
    async with database.transaction() as conn:
        first = await factories.app(conn)
        await apps.remove(conn, first.id)
        assert (await factories.app(conn)).number > first.number


async def test_removing_an_app_takes_all_but_the_audit_log_and_what_it_used(database):
    async with database.transaction() as conn:
        person = await factories.account(conn)
        app = await factories.app(conn, "hello")
        build = await factories.built(conn, app)
        release = await factories.release(conn, app, state=ReleaseState.SUCCEEDED, build_id=build.id)
        await apps.set_current_release(conn, app.id, release.id)
        await rollouts.add(conn, app.id, release.id, RolloutReason.RELEASE)
        await formation.put(conn, app.id, "web", 1)
        await config_vars.add(conn, app.id, {"KEY": b"secret"}, person.id)
        await routes.put(conn, app.id, ["hello.localhost"], [])
        await audit.add(conn, "app.destroy", account_id=person.id, app_id=app.id, app_name=app.name)
        await apps.remove(conn, app.id)
        kept = {audit_log.name, usage_spans.name, resource_usage.name, daily_usage.name, monthly_usage.name}
        of_apps = [name for name in metadata.tables if "app_id" in metadata.tables[name].c and name not in kept]
        left = {name: (await conn.first(select(func.count().label("n")).select_from(metadata.tables[name]))).n for name in of_apps}
        assert set(left.values()) == {0}
        assert (await audit.recent(conn, 1))[0].app_name == "hello"
        assert await conn.all(select(applications)) == []


async def test_the_lock_of_an_app_is_its_own(database):
    async with database.transaction() as conn:
        app, other = await factories.app(conn), await factories.app(conn)

    async def take(app_id):
        async with database.transaction() as conn:
            await apps.lock(conn, app_id)

    async with database.transaction() as conn:
        await apps.lock(conn, app.id)
        await apps.lock(conn, app.id)
        await take(other.id)
        second = asyncio.create_task(take(app.id))
        done, _ = await asyncio.wait({second}, timeout=0.2)
        assert not done
    await second


async def test_formation(database):
    async with database.transaction() as conn:
        app = await factories.app(conn)
        assert await formation.get(conn, app.id) == {}
        await formation.fill(conn, app.id, [])
        await formation.put(conn, app.id, "worker", 2)
        await formation.fill(conn, app.id, ["web", "worker", "clock"])
        assert await formation.get(conn, app.id) == {"web": 1, "worker": 2, "clock": 0}
        await formation.put(conn, app.id, "web", 0)
        await formation.fill(conn, app.id, ["web"])
        assert (await formation.get(conn, app.id))["web"] == 0


@pytest.mark.parametrize(("process_type", "quantity"), [("web", -1), ("two words", 1), ("", 1)])
async def test_a_formation_refuses(database, process_type, quantity):
    async def put():
        async with database.transaction() as conn:
            await formation.put(conn, (await factories.app(conn)).id, process_type, quantity)

    with pytest.raises(Invalid):
        await put()


async def test_routes(database):
    async with database.transaction() as conn:
        app, other = await factories.app(conn), await factories.app(conn)
        assert await routes.get(conn, app.id) is None
        await routes.put(conn, app.id, ("hello.localhost",), ("10.0.0.1:5000",))
        await routes.put(conn, app.id, ("hello.localhost", "www.example.com"), ())
        await routes.put(conn, other.id, (), ())
        route = Route(app.id, ("hello.localhost", "www.example.com"), ())
        assert await routes.get(conn, app.id) == route
        assert await routes.all(conn, DEFAULTS) == []
        await routes.cut(conn, {app.id: ("10.0.0.2:5000", "10.0.0.3:5000"), other.id: ()})
        assert await routes.all(conn, DEFAULTS) == [replace(route, endpoints=("10.0.0.2:5000", "10.0.0.3:5000"))]
        await routes.remove(conn, app.id)
        await routes.remove(conn, app.id)
        assert await routes.get(conn, app.id) is None


async def test_settings(database):
    async with database.transaction() as conn:
        person = await factories.account(conn)
        assert await settings.get(conn, "default_plan") is None
        await settings.put(conn, "default_plan", "Hobby", None)
        await settings.put(conn, "default_plan", {"name": "Pro", "list": [1, None, "é"]}, person.id)
        await settings.put(conn, "off", False, None)  # noqa: FBT003 - a value
        await settings.put(conn, "nothing", None, None)
        assert await settings.get(conn, "default_plan") == {"name": "Pro", "list": [1, None, "é"]}
        assert await settings.get(conn, "off") is False
        assert await settings.all(conn) == {
            "default_plan": {"name": "Pro", "list": [1, None, "é"]},
            "nothing": None,
            "off": False,
        }


async def test_the_audit_log_names_what_is_gone(database):
    async with database.transaction() as conn:
        gone = uuid4()
        await audit.add(conn, "first")
        await audit.add(
            conn,
            "app.destroy",
            account_id=gone,
            email="ada@example.com",
            organization_id=gone,
            app_id=gone,
            app_name="hello",
            details={"version": 3},
            origin="ssh 192.0.2.7",
        )
        entries = await audit.recent(conn, 10)
        assert [entry.action for entry in entries] == ["app.destroy", "first"]
        assert entries[0] == AuditEntry(
            entries[0].id, entries[0].at, "app.destroy", gone, "ada@example.com", gone, gone, "hello", {"version": 3}, "ssh 192.0.2.7"
        )
        assert len(await audit.recent(conn, 1)) == 1
