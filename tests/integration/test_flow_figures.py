"""What administrators see of organizations in figures, also where there is nothing at all."""

from dataclasses import replace
from decimal import Decimal

import pytest
from sqlalchemy import delete, update

from skypanel.domain.access import Role
from skypanel.domain.billing import HOUR, hour_of, month_of
from skypanel.domain.errors import Denied, NotFound
from skypanel.domain.figures import Granted, PanelFigures, ResourceUsage
from skypanel.flow import apps as apps_flow
from skypanel.flow import billing as billing_flow
from skypanel.flow import deletion, figures, organizations, scale, suspension, wallet
from skypanel.flow import settings as settings_flow
from skypanel.store import accounts, usage, wallets
from skypanel.store import organizations as stored
from skypanel.store.tables.billing import usage_spans
from skypanel.store.tables.organizations import organizations as organization_rows
from skypanel.store.tables.plans import plan_versions
from tests.support import factories
from tests.support.statements import Counting

MIB = 1024**2
# Of the plan that apps have at first.
PRICE, CPU_CORES, MEMORY_BYTES = Decimal("0.02"), 1.0, 512 * MIB


async def overview(stage, **page):
    found = await figures.overview(stage.panel, stage.admin, **page)
    return found.panel, {each.organization.name: each for each in found.organizations}


async def pass_hours(stage, hours):
    """Have what runs now, and nothing else, run since a number of whole hours ago, and all hours be settled."""
    async with stage.panel.transaction() as conn:
        since = hour_of(await usage.now(conn)) - hours * HOUR
        await conn.execute(delete(usage_spans).where(usage_spans.c.until.is_not(None)))
        await conn.execute(update(usage_spans).values(since=since))
        await conn.execute(update(organization_rows).values(settled_until=since))
    await billing_flow.bill(stage.panel)
    return since


@pytest.mark.req("R1.1", "R1.5", "R16.1")
async def test_an_empty_database_has_zero_of_everything(database):
    async with database.transaction() as conn:
        assert await stored.panel_figures(conn) == PanelFigures(0, 0, 0, 0)
        assert await stored.figures(conn) == []


@pytest.mark.req("R1.1", "R1.5", "R16.1", "R16.2")
async def test_an_organization_without_apps_has_zero_of_them(stage, main):
    panel, found = await overview(stage)
    assert panel == PanelFigures(organizations=1, suspended=0, accounts=1, apps=0)
    assert (found["Main"].members, found["Main"].apps, found["Main"].charged, found["Main"].balance) == (1, 0, 0, None)
    await deletion.delete(stage.panel, main, stage.admin)
    assert await overview(stage) == (PanelFigures(0, 0, 1, 0), {})


@pytest.mark.req("R16.1")
async def test_members_and_apps_are_counted_by_organization(stage, main, app):
    await stage.app("other")
    acme = await organizations.create(stage.panel, stage.admin, "Acme")
    await organizations.add_member(stage.panel, acme, "ada@example.com", Role.VIEWER, stage.admin)
    await apps_flow.create(stage.panel, stage.admin, "theirs", organization_id=acme.id)
    await suspension.hold(stage.panel, acme, stage.admin)
    panel, found = await overview(stage)
    assert panel == PanelFigures(organizations=2, suspended=1, accounts=2, apps=3)
    assert {name: (each.members, each.apps) for name, each in found.items()} == {"Acme": (2, 1), "Main": (1, 2)}
    assert (await figures.one(stage.panel, stage.admin, acme.id)) == found["Acme"]
    assert list((await overview(stage, after="Acme"))[1]) == ["Main"]
    assert list((await overview(stage, limit=1))[1]) == ["Acme"]


@pytest.mark.req("R16.2")
async def test_the_cost_of_its_whole_life_is_what_was_charged_to_the_last_decimal(stage, main, app):
    await settings_flow.change(stage.panel, stage.admin, {"billing": "true"})
    await wallet.set_billed(stage.panel, main, stage.admin, billed=True)
    await pass_hours(stage, 3)
    async with stage.panel.transaction() as conn:
        await conn.execute(update(usage_spans).values(hourly_price=Decimal("0.0333")))
    before = (await overview(stage))[1]["Main"]
    async with stage.panel.transaction() as conn:
        await wallets.lock(conn, main.id)
        await wallets.charge(conn, main.id, hour_of(await usage.now(conn)), Decimal("0.000001"))
    await wallet.credit(stage.panel, main, Decimal("7.5"), "a credit is no cost", stage.admin)
    await apps_flow.destroy(stage.panel, app, stage.admin)
    found = (await overview(stage))[1]["Main"]
    assert before.charged == 3 * PRICE
    assert (found.charged, found.apps) == (Decimal("0.060001"), 0)
    assert found.balance == 100 + Decimal("7.5") - found.charged
    await wallet.set_billed(stage.panel, main, stage.admin, billed=False)
    found = (await overview(stage))[1]["Main"]
    assert (found.charged, found.balance) == (Decimal("0.060001"), None)


@pytest.mark.req("R1.3", "R16.4")
async def test_where_nothing_was_ever_used_the_usage_is_zero(stage, main):
    assert await figures.resource_usage(stage.panel, main) == ResourceUsage([], 0, Granted(), Decimal(0), Decimal(0))
    early = await stage.app("early")
    used = await figures.resource_usage(stage.panel, main)
    assert [(app.app_id, app.granted, app.dyno_hours, app.cost) for app in used.apps] == [(early.id, Granted(0, 0, 0), 0, 0)]
    assert (used.granted, used.dyno_hours, used.cost) == (Granted(0, 0, 0), 0, 0)


@pytest.mark.req("R1.3", "R16.4")
async def test_a_plan_that_is_gone_grants_nothing_that_is_known(stage, main, app):
    async with stage.panel.transaction() as conn:
        await conn.execute(update(usage_spans).values(plan_version_id=factories.uuid4()))
    assert (await figures.resource_usage(stage.panel, main)).granted == Granted(1, 0, 0)


@pytest.mark.req("R16.4")
async def test_the_usage_of_an_organization_is_what_its_plans_grant_and_what_this_month_cost(stage, main, app):
    other = await stage.app("other")
    await stage.push(other, "second")
    await stage.work()
    await scale.scale(stage.panel, app, {"web": 3, "worker": 2}, stage.admin)
    acme = await organizations.create(stage.panel, stage.admin, "Acme")
    theirs = await apps_flow.create(stage.panel, stage.admin, "theirs", organization_id=acme.id)
    await stage.push(theirs, "third")
    await stage.work()
    since = await pass_hours(stage, 2)
    # Of a month that began a moment ago, only its part counts.
    hours = 2 - max(0, (month_of(stage.panel.clock.now())[0] - since) // HOUR)
    async with stage.panel.transaction() as conn:
        await conn.execute(update(plan_versions).values(hourly_price=Decimal(9)))
    used = await figures.resource_usage(stage.panel, main)
    assert [app.name for app in used.apps] == ["hello", "other"]
    assert used.apps[0].granted == Granted(5, 5 * CPU_CORES, 5 * MEMORY_BYTES)
    assert used.granted == Granted(6, 6 * CPU_CORES, 6 * MEMORY_BYTES)
    assert hours * 5 <= used.apps[0].dyno_hours <= hours * 5 + 5
    assert hours * 5 * PRICE <= used.apps[0].cost <= (hours * 5 + 5) * PRICE
    assert used.cost == sum(app.cost for app in used.apps)

    await apps_flow.destroy(stage.panel, app, stage.admin)
    after = await figures.resource_usage(stage.panel, main)
    assert after.granted == Granted(1, CPU_CORES, MEMORY_BYTES)
    assert [(app.name, app.granted.dynos) for app in after.apps] == [("hello", 0), ("other", 1)]
    assert after.cost >= used.cost


async def test_nobody_else_sees_it(stage, main):
    stranger = await stage.outsider()
    with pytest.raises(Denied):
        await figures.overview(stage.panel, stranger)
    with pytest.raises(Denied):
        await figures.one(stage.panel, stranger, main.id)
    with pytest.raises(NotFound):
        await figures.one(stage.panel, stage.admin, factories.uuid4())


@pytest.mark.req("R16.1")
async def test_it_takes_the_same_few_statements_however_many_there_are(stage, main, app):
    database = Counting(stage.panel.database)
    panel = replace(stage.panel, database=database)

    async def statements():
        database.count = 0
        await figures.overview(panel, stage.admin)
        await figures.one(panel, stage.admin, main.id)
        await figures.resource_usage(panel, main)
        return database.count

    before = await statements()
    async with stage.panel.transaction() as conn:
        for _ in range(50):
            owner = await factories.organization(conn, await accounts.add(conn, f"{factories.uuid4()}@example.com", is_admin=False))
            await factories.app(conn, owner=owner)
            await factories.app(conn, owner=main)
    assert await statements() == before <= 12
    assert len((await overview(stage))[1]) == 51
