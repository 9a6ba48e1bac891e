"""Hours are recorded and charged once each, whatever happens meanwhile, and an empty wallet stops apps."""

import asyncio
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest
from sqlalchemy import delete, select, text, update

from skypanel.domain.billing import HOUR, EntryKind, hour_of, month_of
from skypanel.domain.errors import Denied, Invalid, NotFound, Unavailable, Unpaid
from skypanel.domain.period import DAY, Period
from skypanel.flow import apps as apps_flow
from skypanel.flow import billing as billing_flow
from skypanel.flow import organizations as organizations_flow
from skypanel.flow import reconcile, run, scale, wallet
from skypanel.flow import settings as settings_flow
from skypanel.flow import usage as usage_flow
from skypanel.store import apps, audit, formation, organizations, settings, usage, wallets
from skypanel.store.tables.billing import resource_usage, usage_spans
from skypanel.store.tables.organizations import organizations as organization_rows
from tests.support import factories
from tests.support.attempts import ATTEMPTS
from tests.support.statements import Counting
from tests.support.stored import active_rollout

PRICE = Decimal("0.02")
CREDIT = Decimal(100)


@pytest.fixture
async def organization(stage):
    """The first organization, which pays here."""
    async with stage.panel.transaction() as conn:
        [main] = await organizations.of(conn, stage.admin.id)
        await settings.put(conn, "billing", value=True, account_id=None)
        await organizations.set_billed(conn, main.id, billed=True)
        await billing_flow.open_wallet(conn, main.id)
    return main


async def pass_hours(stage, hours, part=timedelta(0)):
    """Have all that was begin some whole hours earlier, of the first of which only a part has passed then."""
    async with stage.panel.transaction() as conn:
        first = hour_of(await usage.now(conn)) - hours * HOUR
        await conn.execute(update(usage_spans).where(usage_spans.c.until.is_(None)).values(since=first + part))
        await conn.execute(update(organization_rows).values(settled_until=first))
    return first


async def recorded(stage):
    async with stage.panel.transaction() as conn:
        return await conn.all(select(resource_usage).order_by(resource_usage.c.hour, resource_usage.c.app_name))


async def lines(stage, organization, kind=EntryKind.CHARGE):
    async with stage.panel.transaction() as conn:
        found = await wallets.recent(conn, organization.id, 10_000)
    assert found[0].balance == sum(line.amount for line in found)
    return [line for line in reversed(found) if line.kind is kind]


async def balance(stage, organization):
    async with stage.panel.transaction() as conn:
        return await wallets.balance(conn, organization.id)


@pytest.mark.req("R3.1", "R10.1", "R10.2", "R10.3")
async def test_an_hour_is_recorded_and_charged(stage, organization, app):
    await scale.scale(stage.panel, app, {"web": 3}, stage.admin)
    hour = await pass_hours(stage, 1)
    await billing_flow.bill(stage.panel)
    [row] = (row for row in await recorded(stage) if row.hour == hour)
    assert (row.organization_id, row.app_id, row.app_name) == (organization.id, app.id, "hello")
    assert (row.dyno_seconds, row.cost) == (3 * 3600, 3 * PRICE)
    charge = (await lines(stage, organization))[0]
    assert (charge.hour, charge.amount, charge.balance) == (hour, -3 * PRICE, CREDIT - 3 * PRICE)


async def test_organizations_that_use_nothing_cost_no_statements_of_their_own(stage, organization, app):
    counts = []
    for more in (2, 30):
        async with stage.panel.transaction() as conn:
            for _ in range(more):
                await factories.organization(conn)
            # The same hour once more.
            await conn.execute(text("SET LOCAL session_replication_role = replica"))
            await conn.execute(delete(resource_usage))
        await billing_flow.bill(stage.panel)
        hour = await pass_hours(stage, 1)
        counting = Counting(stage.panel.database)
        await billing_flow.bill(replace(stage.panel, database=counting))
        counts.append(counting.count)
        async with stage.panel.transaction() as conn:
            assert not await usage.due(conn)
    assert counts[0] == counts[1]
    assert [row.organization_id for row in await recorded(stage) if row.hour == hour] == [organization.id]


@pytest.mark.req("R15.4")
async def test_an_hour_in_which_an_app_is_scaled_costs_what_ran_when(stage, organization, app):
    await scale.scale(stage.panel, app, {"web": 3, "worker": 1}, stage.admin)
    hour = await pass_hours(stage, 1, part=timedelta(minutes=20))
    async with stage.panel.transaction() as conn:
        ended = update(usage_spans).where(usage_spans.c.until.is_not(None))
        await conn.execute(ended.values(since=hour, until=hour + timedelta(minutes=20)))
    await billing_flow.bill(stage.panel)
    row = (await recorded(stage))[0]
    assert row.dyno_seconds == (20 * 1 + 40 * 4) * 60
    assert row.cost == Decimal("0.06")
    assert (await lines(stage, organization))[0].amount == -row.cost


@pytest.mark.req("R10.1")
async def test_an_hour_that_goes_on_is_not_charged_yet(stage, organization, app):
    await billing_flow.bill(stage.panel)
    assert await recorded(stage) == []
    assert await balance(stage, organization) == CREDIT


async def test_hours_that_ended_while_nobody_looked_are_caught_up_with(stage, organization, app):
    hours = 20 * 24
    first = await pass_hours(stage, hours)
    await billing_flow.bill(stage.panel)
    rows = (await recorded(stage))[:hours]
    assert [row.hour for row in rows] == [first + number * HOUR for number in range(hours)]
    assert {row.cost for row in rows} == {PRICE}
    charged = await lines(stage, organization)
    assert [line.hour for line in charged[:hours]] == [row.hour for row in rows]


async def test_what_an_app_used_before_it_went_is_charged(stage, organization, app):
    hour = await pass_hours(stage, 2)
    await apps_flow.destroy(stage.panel, app, stage.admin)
    await billing_flow.bill(stage.panel)
    assert [(row.hour, row.app_name, row.cost) for row in await recorded(stage)][:2] == [
        (hour, "hello", PRICE),
        (hour + HOUR, "hello", PRICE),
    ]


async def test_several_at_once_charge_each_hour_once(stage, organization, app):
    await pass_hours(stage, 50)
    await asyncio.gather(*(billing_flow.bill(stage.panel) for _ in range(5)))
    charged = [line.hour for line in await lines(stage, organization)]
    assert len(charged) == len(set(charged)) >= 50
    assert await balance(stage, organization) == CREDIT - len(charged) * PRICE


class CutOff:
    """A database that is gone once a number of statements was run."""

    def __init__(self, database, statements):
        self._database = database
        self.left = statements

    @asynccontextmanager
    async def transaction(self):
        async with self._database.transaction() as conn:
            yield _Cut(self, conn)
            self.count()

    @asynccontextmanager
    async def autocommit(self):
        async with self._database.autocommit() as conn:
            yield _Cut(self, conn)

    def count(self):
        self.left -= 1
        if self.left < 0:
            raise Unavailable("The database is gone.")


class _Cut:
    def __init__(self, cut_off, conn):
        self._cut_off = cut_off
        self._conn = conn

    def __getattr__(self, name):
        async def run(*statement):
            self._cut_off.count()
            return await getattr(self._conn, name)(*statement)

        return run


async def test_one_that_is_cut_off_anywhere_is_made_good_by_the_next(stage, organization, app):
    first = await pass_hours(stage, 30)
    async with stage.panel.transaction() as conn:
        await wallets.lock(conn, organization.id)
        await wallets.credit(conn, organization.id, 5 * PRICE - CREDIT, "almost nothing", stage.admin)
    statements, complete = 0, False
    while not complete:
        cut_off = replace(stage.panel, database=CutOff(stage.panel.database, statements))
        try:
            await billing_flow.bill(cut_off)
            complete = True
        except Unavailable:
            # The last one in a series loses what nobody but reconciliation makes good then.
            statements += 3
    charged = [line.hour for line in await lines(stage, organization)][:30]
    assert charged == [first + number * HOUR for number in range(30)]
    await reconcile.reconcile(stage.panel)
    await stage.work()
    assert await stage.panel.scheduler.dynos(app.id) == []


@pytest.mark.req("R10.4")
async def test_an_empty_wallet_stops_every_app_and_a_credit_brings_them_back(stage, organization, app):
    await scale.scale(stage.panel, app, {"web": 2, "worker": 1}, stage.admin)
    await stage.work()
    other = await stage.app("other")
    await stage.push(other, "second")
    await stage.work()
    await run.detached(stage.panel, app, "toil", stage.admin)
    await pass_hours(stage, 1)
    await wallet.credit(stage.panel, organization, 3 * PRICE - CREDIT, "almost nothing", stage.admin)
    assert len(await stage.panel.scheduler.dynos()) == 4
    await billing_flow.bill(stage.panel)
    await stage.work()
    assert await stage.panel.scheduler.dynos() == []
    assert stage.panel.router.routes == {}
    assert await balance(stage, organization) <= 0
    assert stage.panel.logs.lines[app.id] == [("api", "Stopped: the wallet of Main is empty. Add credit to run the app again.")]
    await reconcile.reconcile(stage.panel)
    assert await stage.panel.scheduler.one_offs() == []
    async with stage.panel.transaction() as conn:
        assert await active_rollout(conn, app.id) is None
        assert await formation.get(conn, app.id) == {"web": 2, "worker": 1}
        [deed] = [entry for entry in await audit.recent(conn, 20) if entry.action == "organization.suspend"]
    assert deed.organization_id == organization.id

    await wallet.credit(stage.panel, organization, Decimal(10), "paid", stage.admin)
    await stage.work()
    assert sorted(dyno.key.name for dyno in await stage.panel.scheduler.dynos(app.id)) == ["web.1", "web.2", "worker.1"]
    assert sorted(dyno.key.name for dyno in await stage.panel.scheduler.dynos(other.id)) == ["web.1"]
    assert stage.panel.logs.lines[other.id][-1] == ("api", "Running again: the wallet of Main has credit.")
    async with stage.panel.transaction() as conn:
        deeds = [entry for entry in await audit.recent(conn, 20) if entry.action == "wallet.credit"]
    assert (deeds[0].email, deeds[0].details) == (stage.admin.email, {"amount": "10", "note": "paid"})


@pytest.fixture
async def stopped(stage, organization, app):
    """The app, once its organization has nothing left."""
    await wallet.credit(stage.panel, organization, -CREDIT, "nothing left", stage.admin)
    await stage.work()
    assert await stage.panel.scheduler.dynos(app.id) == []
    return app


@pytest.mark.req("R10.4")
@pytest.mark.parametrize("attempt", ATTEMPTS)
async def test_nothing_can_be_made_run_without_money(stage, stopped, attempt):
    with pytest.raises(Unpaid, match="the wallet of its organization is empty") as refusal:
        await ATTEMPTS[attempt](stage, stopped)
    assert "skypanel wallet credit" in refusal.value.hint
    await stage.work()
    assert await stage.panel.scheduler.dynos(stopped.id) == []


@pytest.mark.req("R10.4")
async def test_a_release_on_its_way_does_not_go_live_without_money(stage, organization, app):
    await stage.push(app, "second")
    await wallet.credit(stage.panel, organization, -CREDIT, "nothing left", stage.admin)
    await stage.work()
    assert await stage.panel.scheduler.dynos(app.id) == []
    await wallet.credit(stage.panel, organization, CREDIT, "paid", stage.admin)
    await stage.work()
    assert {dyno.key.version for dyno in await stage.panel.scheduler.dynos(app.id)} == {1}


async def test_several_at_once_stop_an_app_once(stage, organization, app):
    async with stage.panel.transaction() as conn:
        await wallets.lock(conn, organization.id)
        await wallets.credit(conn, organization.id, -CREDIT, "nothing left", stage.admin)
    await asyncio.gather(*(billing_flow.review(stage.panel) for _ in range(5)))
    assert len(stage.panel.logs.lines[app.id]) == 1
    async with stage.panel.transaction() as conn:
        assert len([entry for entry in await audit.recent(conn, 20) if entry.action == "organization.suspend"]) == 1


async def test_a_stopped_app_costs_nothing(stage, organization, stopped):
    await pass_hours(stage, 3)
    await billing_flow.bill(stage.panel)
    assert sum(row.dyno_seconds for row in await recorded(stage)) < HOUR.total_seconds()


async def test_by_default_usage_is_recorded_and_nothing_charged(stage, app):
    made = await organizations_flow.create(stage.panel, stage.admin, "Acme")
    theirs = await apps_flow.create(stage.panel, stage.admin, "theirs", organization_id=made.id)
    await stage.push(theirs, "first")
    await stage.work()
    await pass_hours(stage, 2)
    await billing_flow.bill(stage.panel)
    assert {row.app_name for row in await recorded(stage)} == {"hello", "theirs"}
    assert await lines(stage, made, EntryKind.CHARGE) == []
    [opening] = await lines(stage, made, EntryKind.OPENING)
    assert opening.amount == CREDIT
    await wallet.credit(stage.panel, made, -CREDIT, "nothing left", stage.admin)
    assert len(await stage.panel.scheduler.dynos(theirs.id)) == 1
    async with stage.panel.transaction() as conn:
        assert not (await apps.get(conn, theirs.id)).suspension


async def test_the_switch_stops_and_starts_at_once(stage, organization, app):
    await settings_flow.change(stage.panel, stage.admin, {"billing": "false"})
    await wallet.credit(stage.panel, organization, -CREDIT, "nothing left", stage.admin)
    for value, dynos in (("true", 0), ("false", 1)):
        await settings_flow.change(stage.panel, stage.admin, {"billing": value})
        await stage.work()
        assert len(await stage.panel.scheduler.dynos(app.id)) == dynos


async def test_an_organization_that_need_not_pay_runs_on_without_money(stage, organization, stopped):
    await wallet.set_billed(stage.panel, organization, stage.admin, billed=False)
    await stage.work()
    assert len(await stage.panel.scheduler.dynos(stopped.id)) == 1
    await pass_hours(stage, 1)
    await billing_flow.bill(stage.panel)
    assert await lines(stage, organization) == []
    assert not (await wallet.show(stage.panel, organization, 5)).is_charged


async def test_the_starting_credit_is_a_setting_and_given_once(stage):
    await settings_flow.change(stage.panel, stage.admin, {"starting_credit": "2.50"})
    made = await organizations_flow.create(stage.panel, stage.admin, "Acme")
    for _ in range(2):
        await billing_flow.bill(stage.panel)
    assert [line.amount for line in await lines(stage, made, EntryKind.OPENING)] == [Decimal("2.5")]


@pytest.mark.req("R10.5")
async def test_a_report_has_the_cost_of_each_app_up_to_now(stage, organization, app):
    other = await stage.app("other")
    await stage.push(other, "second")
    await stage.work()
    await scale.scale(stage.panel, other, {"web": 4}, stage.admin)
    first = await pass_hours(stage, 10)
    days = Period(first.replace(hour=0), first.replace(hour=0) + 3 * DAY)
    for _ in range(2):
        used = (await usage_flow.report(stage.panel, organization, days)).used.apps
        assert [each.app_name for each in used] == ["other", "hello"]
        # The hour that has begun counts as well, by its part.
        assert [each.dyno_hours // dynos for each, dynos in zip(used, (4, 1), strict=True)] == [10, 10]
        assert [each.cost // (dynos * PRICE) for each, dynos in zip(used, (4, 1), strict=True)] == [10, 10]
        await billing_flow.bill(stage.panel)
    earlier = Period(*month_of(first - timedelta(days=40)))
    assert (await usage_flow.report(stage.panel, organization, earlier)).used.apps == []


async def test_only_administrators_move_money(stage, organization):
    stranger = await stage.outsider()
    with pytest.raises(Denied):
        await wallet.credit(stage.panel, organization, Decimal(1), "", stranger)
    with pytest.raises(Denied):
        await wallet.set_billed(stage.panel, organization, stranger, billed=False)
    with pytest.raises(Denied):
        await organizations_flow.find(stage.panel, stranger, "Main")
    with pytest.raises(NotFound, match="no organization 'Nobody'"):
        await organizations_flow.find(stage.panel, stage.admin, "Nobody")
    for amount, note in ((Decimal(0), ""), (Decimal(1), "x" * 201)):
        with pytest.raises(Invalid):
            await wallet.credit(stage.panel, organization, amount, note, stage.admin)
    assert await balance(stage, organization) == CREDIT
