"""Reports of a period, by app and by day, and statements of a wallet, page by page."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest
from sqlalchemy import update

from skypanel.domain.billing import HOUR, hour_of
from skypanel.domain.paging import PAGE_SIZE, Cursor
from skypanel.domain.period import read_period
from skypanel.flow import billing, organizations, usage, wallet
from skypanel.store import usage as stored
from skypanel.store import wallets
from skypanel.store.tables.billing import usage_spans
from skypanel.store.tables.organizations import organizations as organization_rows
from tests.support.statements import Counting

PRICE = Decimal("0.02")


@pytest.fixture
async def first(stage, app):
    """The app has run for 50 hours; this is the first."""
    async with stage.panel.transaction() as conn:
        hour = hour_of(await stored.now(conn)) - 50 * HOUR
        await conn.execute(update(usage_spans).values(since=hour))
        await conn.execute(update(organization_rows).values(settled_until=hour))
    return hour


def three_days(first):
    """The two days before the current one, and this: the app has run through at least 48 hours of them."""
    return read_period("", f"{first - timedelta(days=1):%Y-%m-%d}", f"{first + timedelta(days=3):%Y-%m-%d}", first)


@pytest.mark.req("R10.5", "R16.4")
async def test_days_add_up_to_what_apps_used_before_and_after_settling(stage, main, first):
    before = await usage.report(stage.panel, main, three_days(first))
    await billing.bill(stage.panel)
    after = await usage.report(stage.panel, main, three_days(first))
    for found in (before, after):
        assert [app.app_name for app in found.used.apps] == ["hello"]
        assert [day.day for day in found.days] == three_days(first).days()
        assert sum(day.cost for day in found.days) == found.used.cost
        assert sum(day.dyno_seconds for day in found.days) == found.used.apps[0].dyno_seconds
        assert 50 * PRICE <= found.used.cost < 51 * PRICE
        hours_of_first_day = 24 - first.hour
        assert found.days[1].cost == hours_of_first_day * PRICE
        assert found.days[0].cost == 0
        assert found.used.dyno_hours >= 50
    assert before.days[:-2] == after.days[:-2]


async def test_it_takes_as_many_statements_for_a_year_as_for_a_day(stage, main, first):
    counts, counting = set(), Counting(stage.panel.database)
    panel = replace(stage.panel, database=counting)
    for days in (("2026-11", "", ""), ("", "2025-12-01", "2026-12-01"), ("", f"{first:%Y-%m-%d}", f"{first:%Y-%m-%d}")):
        before = counting.count
        await usage.report(panel, main, read_period(*days, first))
        counts.add(counting.count - before)
    assert len(counts) == 1


async def test_a_period_without_usage_is_empty(stage, main, app):
    found = await usage.report(stage.panel, main, read_period("2020-02", "", "", stage.panel.clock.now()))
    assert (found.used.apps, found.used.cost, len(found.days)) == ([], 0, 29)


async def test_a_statement_has_all_entries_page_by_page(stage):
    acme = await organizations.create(stage.panel, stage.admin, "Acme")
    async with stage.panel.transaction() as conn:
        await wallets.lock(conn, acme.id)
        for number in range(PAGE_SIZE + 9):
            await wallets.credit(conn, acme.id, Decimal(1), f"note {number}", stage.admin)
    first = await wallet.statement(stage.panel, acme, Cursor())
    assert (first.funds.balance, first.is_charged) == (Decimal(100 + PAGE_SIZE + 9), False)
    second = await wallet.statement(stage.panel, acme, Cursor(before=first.entries.older))
    entries = [*first.entries.items, *second.entries.items]
    assert [entry.note for entry in entries] == [*(f"note {number}" for number in reversed(range(PAGE_SIZE + 9))), ""]
    assert second.entries.older is None
    back = await wallet.statement(stage.panel, acme, Cursor(after=second.entries.newer))
    assert back.entries.items == first.entries.items
