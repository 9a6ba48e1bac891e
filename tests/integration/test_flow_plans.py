"""Plans: administrators change what is offered, and apps keep or move what they are on."""

import asyncio
from dataclasses import replace
from decimal import Decimal

import pytest
from sqlalchemy import select

from skypanel.domain.audit import AuditAction
from skypanel.domain.errors import Conflict, Denied, Invalid, NotFound
from skypanel.domain.limits import MIB
from skypanel.domain.plan import FIRST_PLANS, PlanOffer
from skypanel.flow import apps as apps_flow
from skypanel.flow import plans, scale
from skypanel.flow import settings as settings_flow
from skypanel.store import apps, audit
from skypanel.store import plans as stored
from skypanel.store.tables.billing import usage_spans

TINY = PlanOffer("Tiny", 0.25, 128 * MIB, 2, Decimal("0.0020"))
STANDARD = FIRST_PLANS[1]


async def names(stage):
    return [plan.name for plan in await plans.offered(stage.panel)]


async def entry(stage, name):
    return (await plans.find(stage.panel, stage.admin, name))[0]


async def current(stage, app):
    async with stage.panel.autocommit() as conn:
        return await apps.get(conn, app.id)


async def recorded(stage):
    async with stage.panel.autocommit() as conn:
        return [each.action for each in await audit.recent(conn, 100)]


@pytest.mark.req("R9.1")
async def test_a_plan_is_made_changed_retired_and_deleted(stage):
    made = await plans.create(stage.panel, stage.admin, TINY)
    assert (made.name, made.version, made.hourly_price) == ("Tiny", 1, Decimal("0.0020"))
    assert (await names(stage))[0] == "Tiny"
    changed = await plans.change(stage.panel, stage.admin, replace(TINY, hourly_price=Decimal("0.0030")))
    assert (changed.version, changed.hourly_price) == (2, Decimal("0.0030"))
    await plans.retire(stage.panel, stage.admin, "tiny")
    assert "Tiny" not in await names(stage)
    assert (await entry(stage, "TINY")).is_retired
    await plans.restore(stage.panel, stage.admin, "Tiny")
    assert "Tiny" in await names(stage)
    await plans.delete(stage.panel, stage.admin, "Tiny")
    with pytest.raises(NotFound, match=r"There is no plan 'Tiny'\. There are: Hobby, Standard, Pro, Business"):
        await plans.find(stage.panel, stage.admin, "Tiny")
    wanted = [AuditAction.PLAN_DELETE, AuditAction.PLAN_RESTORE, AuditAction.PLAN_RETIRE, AuditAction.PLAN_CHANGE, AuditAction.PLAN_CREATE]
    assert [action for action in await recorded(stage) if action.startswith("plan.")] == wanted


async def test_a_change_that_changes_nothing_makes_no_version(stage):
    assert (await plans.change(stage.panel, stage.admin, STANDARD)).version == 1


async def test_names_that_differ_in_case_alone_are_one(stage):
    with pytest.raises(Conflict, match="There is a plan hobby already"):
        await plans.create(stage.panel, stage.admin, replace(TINY, name="hobby"))


async def test_of_two_that_are_made_at_once_one_is_refused(stage):
    both = (plans.create(stage.panel, stage.admin, replace(TINY, name=name)) for name in ("Tiny", "TINY"))
    failed = [each for each in await asyncio.gather(*both, return_exceptions=True) if isinstance(each, Conflict)]
    assert len(failed) == 1


@pytest.mark.req("R9.2")
async def test_a_plan_in_use_cannot_be_deleted_and_the_apps_on_it_are_named(stage, app):
    await plans.create(stage.panel, stage.admin, TINY)
    await plans.move(stage.panel, app, "Tiny", stage.admin)
    with pytest.raises(Conflict, match=r"1 app is on it: hello \(Main\)"):
        await plans.delete(stage.panel, stage.admin, "Tiny")
    # Older versions count too.
    await plans.change(stage.panel, stage.admin, replace(TINY, max_replicas=3))
    with pytest.raises(Conflict, match="hello"):
        await plans.delete(stage.panel, stage.admin, "Tiny")
    shown = await entry(stage, "Tiny")
    assert (shown.apps, shown.outdated) == (1, 1)


async def test_the_database_too_keeps_a_plan_that_an_app_is_on(stage, app, database):
    with pytest.raises(Conflict):
        async with database.transaction() as conn:
            await stored.remove(conn, "Standard")
    assert (await current(stage, app)).plan.name == "Standard"


@pytest.mark.req("R9.4")
async def test_a_new_version_changes_nothing_for_the_apps_on_the_plan(stage, app):
    await plans.change(stage.panel, stage.admin, replace(STANDARD, hourly_price=Decimal(1), memory_bytes=64 * MIB))
    kept = (await current(stage, app)).plan
    assert (kept.version, kept.hourly_price, kept.memory_bytes) == (1, STANDARD.hourly_price, STANDARD.memory_bytes)
    assert (await apps_flow.create(stage.panel, stage.admin, "later")).plan.version == 2
    assert (await entry(stage, "Standard")).outdated == 1


async def test_an_app_moves_to_another_plan_with_new_dynos(stage, app):
    before = stage.panel.scheduler.since(app.id, "web.1")
    rollout = await plans.move(stage.panel, app, "pro", stage.admin)
    await stage.work()
    assert rollout.app_id == app.id
    moved = await current(stage, app)
    assert moved.plan.name == "Pro"
    assert stage.panel.scheduler.launched[-1].limits == moved.plan.limits()
    assert stage.panel.scheduler.since(app.id, "web.1") > before
    assert len(await stage.panel.scheduler.dynos(app.id)) == 1
    assert AuditAction.APP_PLAN in await recorded(stage)


async def test_from_then_on_it_costs_the_price_of_that_plan(stage, app):
    await plans.move(stage.panel, app, "Business", stage.admin)
    async with stage.panel.autocommit() as conn:
        spans = await conn.all(select(usage_spans).where(usage_spans.c.app_id == app.id).order_by(usage_spans.c.since))
    assert [span.hourly_price for span in spans] == [STANDARD.hourly_price, FIRST_PLANS[3].hourly_price]


async def test_an_app_without_a_release_moves_too(stage):
    made = await stage.app("empty")
    assert await plans.move(stage.panel, made, "Hobby", stage.admin) is None
    assert (await current(stage, made)).plan.name == "Hobby"


async def test_a_new_app_is_on_the_plan_that_is_chosen_for_it(stage):
    assert (await apps_flow.create(stage.panel, stage.admin, "large", plan="business")).plan.name == "Business"
    with pytest.raises(NotFound, match="Huge"):
        await apps_flow.create(stage.panel, stage.admin, "huge", plan="Huge")


@pytest.mark.parametrize(("name", "error"), [("Standard", Conflict), ("Huge", NotFound), ("Pro", Conflict)])
async def test_where_no_app_can_move(stage, app, name, error):
    await plans.retire(stage.panel, stage.admin, "Pro")
    with pytest.raises(error):
        await plans.move(stage.panel, app, name, stage.admin)


async def test_an_app_with_more_dynos_than_the_plan_allows_stays(stage, app):
    await scale.scale(stage.panel, app, {"web": 2}, stage.admin)
    with pytest.raises(Invalid, match=r"web=2 is over the Hobby plan's limit of 1 dyno"):
        await plans.move(stage.panel, app, "Hobby", stage.admin)


@pytest.mark.parametrize("act", [plans.retire, plans.delete])
async def test_the_plan_of_new_apps_stays(stage, act):
    with pytest.raises(Conflict, match="default_plan"):
        await act(stage.panel, stage.admin, "Standard")
    await settings_flow.change(stage.panel, stage.admin, {"default_plan": "Pro"})
    await act(stage.panel, stage.admin, "Standard")


async def test_a_retired_plan_cannot_become_that_of_new_apps(stage):
    await plans.retire(stage.panel, stage.admin, "Pro")
    with pytest.raises(Invalid, match="default_plan"):
        await settings_flow.change(stage.panel, stage.admin, {"default_plan": "Pro"})


async def test_only_administrators_change_plans(stage):
    other = await stage.outsider()
    calls = (
        plans.overview(stage.panel, other),
        plans.find(stage.panel, other, "Pro"),
        plans.create(stage.panel, other, TINY),
        plans.change(stage.panel, other, STANDARD),
        plans.retire(stage.panel, other, "Pro"),
        plans.restore(stage.panel, other, "Pro"),
        plans.delete(stage.panel, other, "Pro"),
    )
    assert all(isinstance(each, Denied) for each in await asyncio.gather(*calls, return_exceptions=True))
