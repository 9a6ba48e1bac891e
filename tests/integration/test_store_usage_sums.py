"""What apps cost, and its sums by app, day and month: all of it by the database, and held here to exact arithmetic."""

from collections import defaultdict
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from itertools import count
from random import Random
from uuid import UUID

import psycopg2
import pytest
from sqlalchemy import delete, insert, select, text, update

from skypanel.domain.billing import HOUR, hour_of
from skypanel.domain.errors import NotFound
from skypanel.domain.paging import PAGE_SIZE
from skypanel.domain.period import DAY, Period
from skypanel.flow import billing
from skypanel.store import apps, usage, usage_sums
from skypanel.store.tables.billing import daily_totals, daily_usage, monthly_usage, resource_usage, usage_spans
from skypanel.store.tables.organizations import organizations
from skypanel.store.usage_sums import UsageQuery
from tests.support import factories

NOON = datetime(2026, 11, 25, 12, tzinfo=UTC)
NOVEMBER = Period(datetime(2026, 11, 1, tzinfo=UTC), datetime(2026, 12, 1, tzinfo=UTC))
HELLO, OTHER = UUID(int=1), UUID(int=2)
MICROSECOND = timedelta(microseconds=1)
numbers = count()


@pytest.fixture
async def conn(database):
    async with database.transaction() as conn:
        yield conn


async def used(conn, *spans, settled=NOON):
    """Add an organization with these spans, whose usage until a time is settled."""
    owner = await factories.organization(conn)
    await conn.execute(update(organizations).where(organizations.c.id == owner.id).values(settled_until=settled))
    for span in spans:
        values = {"organization_id": owner.id, "plan_version_id": UUID(int=0), "process_type": f"type{next(numbers)}"}
        await conn.execute(insert(usage_spans).values(**values, **span))
    return owner.id


def span(since=NOON, until=NOON + HOUR, *, quantity=1, price="0.0200", app=HELLO, name="hello"):
    return {"app_id": app, "app_name": name, "hourly_price": Decimal(price), "quantity": quantity, "since": since, "until": until}


async def hours(conn, organization_id):
    found = select(resource_usage).where(resource_usage.c.organization_id == organization_id)
    return await conn.all(found.order_by(resource_usage.c.hour, resource_usage.c.app_id))


async def of_apps(conn, query, number=None):
    return (await usage_sums.of_period(conn, query, number))[0]


async def settled(conn, *spans, until=NOON + HOUR):
    organization_id = await used(conn, *spans)
    await usage.settle(conn, organization_id, NOON, until)
    return await hours(conn, organization_id)


def exact(spans, since, until):
    """Return the seconds and the cost of each hour of each app, by fractions, in order."""
    seconds, prices = defaultdict(Fraction), defaultdict(Fraction)
    for one in spans:
        begin, end = max(one["since"], since), min(one["until"] or until, until)
        while begin < end:
            hour = hour_of(begin)
            dynos = one["quantity"] * Fraction((min(end, hour + HOUR) - begin) // MICROSECOND, 1_000_000)
            seconds[hour, one["app_id"]] += dynos
            prices[hour, one["app_id"]] += Fraction(one["hourly_price"]) * dynos
            begin = hour + HOUR
    # Python rounds a half to the even number.
    return [(*key, seconds[key], Fraction(round(prices[key] / 3600 * 1_000_000), 1_000_000)) for key in sorted(seconds)]


def random_span(random):
    since, until = sorted(NOON + random.randrange(50 * 3_600_000_000) * MICROSECOND for _ in range(2))
    price = Decimal(random.randrange(10_000_000)).scaleb(-4)
    until = random.choice([until, None])
    return span(since, until, quantity=random.randint(1, 1000), price=price, app=random.choice([HELLO, OTHER]))


@pytest.mark.req("R10.2")
async def test_an_hour_costs_the_price_times_the_dynos(conn):
    [row] = await settled(conn, span(quantity=3))
    assert (row.hour, row.dyno_seconds, row.cost) == (NOON, 3 * 3600, Decimal("0.06"))


@pytest.mark.req("R15.4")
async def test_a_part_of_an_hour_costs_its_part(conn):
    twenty = NOON + timedelta(minutes=20)
    [row] = await settled(conn, span(until=twenty), span(since=twenty, until=None, quantity=3))
    assert (row.dyno_seconds, row.cost) == (20 * 60 + 3 * 40 * 60, Decimal("0.046667"))


@pytest.mark.parametrize(("price", "cost"), [("0.0018", "0"), ("0.0054", "0.000002"), ("0.0055", "0.000002"), ("0.0017", "0")])
async def test_a_half_of_the_smallest_part_goes_to_the_even_one(conn, price, cost):
    [row] = await settled(conn, span(until=NOON + timedelta(seconds=1), price=price))
    assert row.cost == Decimal(cost)


async def test_no_time_costs_nothing(conn):
    assert await settled(conn, span(until=NOON), span(NOON + HOUR, NOON + 2 * HOUR), span(NOON - HOUR, NOON)) == []


@pytest.mark.req("R10.2", "R15.4")
async def test_hours_are_exact_and_it_does_not_matter_how_many_are_settled_at_once(conn):
    random = Random(7)
    for _ in range(25):
        spans = [random_span(random) for _ in range(random.randint(0, 6))]
        between, until = sorted(NOON + random.randrange(60) * HOUR for _ in range(2))
        at_once, in_parts = [await used(conn, *spans) for _ in range(2)]
        costs = await usage.settle(conn, at_once, NOON, until)
        parts = [*await usage.settle(conn, in_parts, NOON, between), *await usage.settle(conn, in_parts, between, until)]
        found = [(row.hour, row.app_id, row.dyno_seconds, row.cost) for row in await hours(conn, at_once)]
        assert found == exact(spans, NOON, until)
        assert found == [(row.hour, row.app_id, row.dyno_seconds, row.cost) for row in await hours(conn, in_parts)]
        assert costs == parts
        assert [hour for hour, _ in costs] == sorted({hour for hour, *_ in found})
        assert all(cost == sum(each for at, *_, each in found if at == hour) for hour, cost in costs)


async def test_an_app_goes_by_the_name_it_had_last(conn):
    later = NOON + timedelta(minutes=30)
    organization_id = await used(conn, span(until=later), span(since=later, until=None, name="hallo"))
    query = UsageQuery(organization_id, NOVEMBER, NOON + 2 * HOUR)
    before = await of_apps(conn, query)
    await usage.settle(conn, organization_id, NOON, NOON + HOUR)
    assert await of_apps(conn, query) == before
    assert [(app.app_name, app.dyno_hours, app.cost) for app in before.apps] == [("hallo", 2, Decimal("0.04"))]
    assert [row.app_name for row in await hours(conn, organization_id)] == ["hallo"]


async def test_pages_have_the_dearest_apps_first_and_the_totals_of_all(conn):
    spans = [span(app=UUID(int=number), price=f"0.{number:04}", name=f"app-{number % 2}{number}") for number in range(PAGE_SIZE + 5)]
    query = UsageQuery(await used(conn, *spans), NOVEMBER, NOON + HOUR)
    whole = await of_apps(conn, query)
    assert [app.app_id.int for app in whole.apps] == list(reversed(range(PAGE_SIZE + 5)))
    assert (whole.count, whole.dyno_hours, whole.cost) == (PAGE_SIZE + 5, PAGE_SIZE + 5, sum(app.cost for app in whole.apps))
    pages = [await of_apps(conn, query, number) for number in (1, 2, 3)]
    assert [len(page.apps) for page in pages] == [PAGE_SIZE, 5, 0]
    assert [app for page in pages for app in page.apps] == whole.apps
    assert {(page.count, page.dyno_hours, page.cost) for page in pages} == {(whole.count, whole.dyno_hours, whole.cost)}


async def test_apps_of_one_cost_are_in_order_of_name(conn):
    spans = [span(app=UUID(int=number), name=name) for number, name in enumerate(("b-2", "b", "b2", "a"))]
    found = await of_apps(conn, UsageQuery(await used(conn, *spans), NOVEMBER, NOON + HOUR))
    assert [app.app_name for app in found.apps] == ["a", "b", "b-2", "b2"]


async def test_an_organization_that_is_gone_has_no_usage(conn):
    for of in (usage_sums.of_period, usage_sums.figures):
        with pytest.raises(NotFound, match="organization"):
            await of(conn, UsageQuery(UUID(int=9), NOVEMBER, NOON))


@pytest.mark.req("R10.5", "R16.4")
async def test_the_sums_of_any_period_are_those_of_its_hours_however_much_is_settled(conn):
    random = Random(8)
    begin = datetime(2026, 10, 30, tzinfo=UTC)
    now = begin + 40 * DAY + 0.4 * HOUR
    spans = [span(*sorted(begin + random.random() * 41 * DAY for _ in range(2)), quantity=random.randint(1, 9)) for _ in range(9)]
    spans += [one | {"app_id": OTHER, "app_name": "other"} for one in spans[::3]]
    organization_id, everything = await used(conn, *spans, settled=begin), exact(spans, begin, now)
    since = begin
    for until in (begin + 7 * HOUR, begin + 3 * DAY, begin + 3 * DAY + HOUR, begin + 33 * DAY, hour_of(now)):
        await usage.settle(conn, organization_id, since, until)
        since = until
        for first, last in ((0, 45), (0, 1), (2, 5), (2, 32), (1, 33), (3, 3 + 29), (40, 41), (44, 45)):
            period = Period(begin + first * DAY, begin + last * DAY)
            expected = [each for each in everything if period.since <= each[0] < period.until]
            query = UsageQuery(organization_id, period, now)
            found, days = await usage_sums.of_period(conn, query)
            assert {app.app_id: (app.dyno_seconds, app.cost) for app in found.apps} == sums(expected, lambda each: each[1])
            by_day = {day.day: (day.dyno_seconds, day.cost) for day in days if day.dyno_seconds}
            assert by_day == sums(expected, lambda each: each[0].date())
            assert [day.day for day in days] == period.days()
            assert found.cost == sum(day.cost for day in days)


def sums(found, key):
    totals = defaultdict(lambda: (0, 0))
    for each in found:
        seconds, cost = totals[key(each)]
        totals[key(each)] = (seconds + each[2], cost + each[3])
    return totals


SUMS = (
    (daily_usage.name, "organization_id, app_id, (hour AT TIME ZONE 'UTC')::date", "organization_id, app_id, day"),
    (monthly_usage.name, "organization_id, app_id, date_trunc('month', hour AT TIME ZONE 'UTC')::date", "organization_id, app_id, month"),
    (daily_totals.name, "organization_id, (hour AT TIME ZONE 'UTC')::date", "organization_id, day"),
)


async def test_sums_follow_apps_that_are_renamed_moved_and_destroyed(database, stage, main, app):
    async with stage.panel.transaction() as conn:
        other = await factories.organization(conn)
        begin = hour_of(await usage.now(conn)) - 60 * HOUR
        [open_] = await conn.all(select(usage_spans).where(usage_spans.c.app_id == app.id))
        steps = ({"app_name": "first"}, {"app_name": "second"}, {"organization_id": other.id}, {}, {"quantity": 4})
        values = open_._asdict() | {"process_type": "old"}
        del values["id"]
        await conn.execute(delete(usage_spans))
        for number, changes in enumerate(steps):
            values |= changes | {"since": begin + number * 11.3 * HOUR, "until": begin + (number + 1) * 11.3 * HOUR}
            await conn.execute(insert(usage_spans).values(values))
        await conn.execute(update(organizations).values(settled_until=begin))
        await apps.remove(conn, app.id)
    for _ in range(2):
        await billing.bill(stage.panel)
    async with stage.panel.transaction() as conn:
        assert {row.organization_id for row in await conn.all(select(resource_usage))} == {main.id, other.id}
        for table, of_hours, keys in SUMS:
            of_table = f"SELECT {keys}, dyno_seconds, cost FROM {table}"
            added = f"SELECT {of_hours}, sum(dyno_seconds), sum(cost) FROM paas_resource_usage GROUP BY {of_hours}"
            assert await conn.all(text(f"({of_table} EXCEPT {added}) UNION ALL ({added} EXCEPT {of_table})")) == []
        query = UsageQuery(main.id, Period(begin.replace(hour=0), begin.replace(hour=0) + 5 * DAY), await usage.now(conn))
        assert [used.app_name for used in (await of_apps(conn, query)).apps] == ["second"]


@pytest.mark.parametrize(
    "statement", [resource_usage.update().values(cost=0), resource_usage.delete(), text("TRUNCATE paas_resource_usage")]
)
async def test_no_hour_is_ever_changed_so_that_its_sums_stay_right(database, statement):
    with pytest.raises(psycopg2.errors.RaiseException, match="never changed"):
        async with database.transaction() as conn:
            await conn.execute(statement)
