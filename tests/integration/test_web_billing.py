"""Usage and wallet of an organization: who sees which, and what the pages and the spreadsheet say."""

import csv
import io
import re
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest
from sqlalchemy import update

from skypanel.domain.access import Role
from skypanel.domain.billing import HOUR, hour_of, month_of
from skypanel.domain.paging import PAGE_SIZE
from skypanel.flow import billing as billing_flow
from skypanel.flow import organizations as organizations_flow
from skypanel.flow import settings as settings_flow
from skypanel.flow import wallet
from skypanel.store import usage, wallets
from skypanel.store.tables.billing import usage_spans
from skypanel.store.tables.organizations import organizations as organization_rows
from tests.support.statements import Counting
from web.keys import PANEL


@pytest.fixture
async def main(stage, main):
    """The first organization, which pays, with an app that has run since the hour before this one."""
    await wallet.set_billed(stage.panel, main, stage.admin, billed=True)
    await settings_flow.change(stage.panel, stage.admin, {"billing": "true"})
    app = await stage.app("hello")
    await stage.push(app)
    await stage.work()
    async with stage.panel.transaction() as conn:
        hour = hour_of(await usage.now(conn)) - HOUR
        await conn.execute(update(usage_spans).values(since=hour))
        await conn.execute(update(organization_rows).values(settled_until=hour))
    await billing_flow.bill(stage.panel)
    return main


def path(organization, end=""):
    return f"/organizations/{organization.id}{end}"


async def signed_in(new_client, account):
    client = await new_client()
    assert (await client.sign_in(account)).status == 303
    return client


async def hour_charged(stage, main):
    return (await wallet.show(stage.panel, main, 10)).entries[0].hour


@pytest.mark.req("R10.5")
async def test_the_wallet_shows_its_balance_and_entries(admin, stage, main):
    hour = await hour_charged(stage, main)
    page = await admin.page(path(main, "/billing"))
    assert '<p class="version">99.98 USD</p>' in page
    assert f"The hour from {hour:%Y-%m-%d %H:%M:%S} UTC" in page
    assert ">-0.0200 USD</td>" in page
    assert "The starting credit" in page


@pytest.mark.req("R10.5", "R16.4")
async def test_the_usage_of_a_month_has_each_app_and_each_day(admin, stage, main):
    hour = await hour_charged(stage, main)
    page = await admin.page(path(main, f"/usage?month={hour:%Y-%m}"))
    assert f"{hour:%B %Y}: 0.0" in page
    assert re.search(r"<td>hello</td><td[^>]*>(1\.\d\d|2\.0\d)</td><td[^>]*>0.0[234] USD</td>", page)
    days = month_of(hour)[1] - month_of(hour)[0]
    assert page.count('<rect class="bar"') == days.days
    assert f"<title>{hour:%d %b}: 0.0" in page
    assert " style=" not in page


async def test_any_days_can_be_chosen(admin, stage, main):
    hour = await hour_charged(stage, main)
    long_ago = month_of(month_of(hour)[0] - timedelta(days=40))[0]
    page = await admin.page(path(main, f"/usage?month={long_ago:%Y-%m}"))
    assert "No dynos ran." in page
    assert f'/usage?month={month_of(long_ago + timedelta(days=40))[0]:%Y-%m}"' in page
    page = await admin.page(path(main, f"/usage?from={hour:%Y-%m-%d}&until={hour + timedelta(days=1):%Y-%m-%d}"))
    assert "<td>hello</td>" in page
    assert page.count('<rect class="bar"') == 2
    assert 'rel="next"' not in await admin.page(path(main, "/usage"))
    for query in ("month=2026-13", "from=<b>&until=2026-11-30", "from=2026-11-30&until=2026-11-29", "from=0001-01-01&until=9999-12-31"):
        page = await admin.page(path(main, f"/usage?{query}"), 422)
        assert 'role="alert"' in page
        assert "<b>" not in page
        await admin.page(path(main, f"/usage.csv?{query}"), 422)


@pytest.mark.req("R10.5")
async def test_a_spreadsheet_has_the_same(admin, stage, main):
    hour = await hour_charged(stage, main)
    response = await admin.get(path(main, f"/usage.csv?month={hour:%Y-%m}"))
    assert response.content_type == "text/csv"
    first, until = month_of(hour)
    last = until - timedelta(days=1)
    assert response.headers["Content-Disposition"] == f'attachment; filename="usage-{first:%Y-%m-%d}-{last:%Y-%m-%d}.csv"'
    heading, row = csv.reader(io.StringIO(await response.text()))
    assert heading == ["from", "until", "app", "dyno hours", "cost"]
    assert row[:3] == [f"{first:%Y-%m-%d}", f"{last:%Y-%m-%d}", "hello"]
    assert Decimal(row[4]) >= Decimal("0.02")


async def test_the_entries_of_a_wallet_are_paged_in_both_directions(admin, stage, main):
    async with stage.panel.transaction() as conn:
        await wallets.lock(conn, main.id)
        for number in range(2 * PAGE_SIZE):
            await wallets.credit(conn, main.id, Decimal(1), f"note {number:03}", stage.admin)
    found, url = [], path(main, "/billing")
    while url:
        page, last = await admin.page(url), url
        found += re.findall(r"note [0-9]{3}", page)
        url = (re.findall(r'<a href="([^"]*)" rel="next"', page) or [None])[0]
    assert found == [f"note {number:03}" for number in reversed(range(2 * PAGE_SIZE))]
    assert 'rel="prev"' in await admin.page(last)
    for query in ("before=x", "after=-1", f"before={10**19}"):
        await admin.page(path(main, f"/billing?{query}"), 422)


async def test_at_an_empty_wallet_the_pages_say_so(admin, stage, main):
    await wallet.credit(stage.panel, main, Decimal(-100), "<i>nothing</i> left", stage.admin)
    await stage.work()
    page = await admin.page(path(main, "/billing"))
    assert "The wallet is empty: its apps are stopped." in page
    assert "&lt;i&gt;nothing&lt;/i&gt; left" in page
    assert "Its wallet is empty: its apps are stopped." in await admin.page(path(main))
    assert 'class="state suspended">suspended' in await admin.page("/apps")
    assert "the wallet of its organization is empty" in await admin.page("/apps/hello")
    response = await admin.send("/apps/hello/rollback", page="/account", version="1")
    assert response.status == 402
    assert "skypanel wallet credit" in await response.text()


@pytest.mark.parametrize("role", Role)
async def test_only_admins_and_owners_see_the_wallet(new_client, stage, main, role):
    client = await signed_in(new_client, await stage.member(role))
    sees = role >= Role.ADMIN
    await client.page(path(main, "/billing"), 200 if sees else 403)
    overview, activity = await client.page(path(main)), await client.page(path(main, "/activity"))
    assert ("99.98 USD" in overview) == ("/billing" in overview) == sees
    assert ("Changed whether it pays" in activity.partition("<table")[2]) == sees
    assert "<td>hello</td>" in await client.page(path(main, "/usage"))
    response = await client.get("/billing", allow_redirects=False)
    assert response.headers["Location"] == path(main, "/billing" if sees else "/usage")


async def test_nobody_sees_the_wallet_of_others(new_client, stage, main):
    stranger = await stage.outsider()
    client = await signed_in(new_client, stranger)
    assert (await client.get("/billing", allow_redirects=False)).headers["Location"] == "/organizations/new"
    theirs = await organizations_flow.create(stage.panel, stranger, "Theirs")
    assert "100.00 USD" in await client.page(path(theirs, "/billing"))
    for end in ("", "/billing", "/usage", "/usage.csv"):
        await client.page(path(main, end), 404)


async def test_where_nothing_is_charged_it_says_so(admin, stage, main):
    await settings_flow.change(stage.panel, stage.admin, {"billing": "false"})
    assert "Usage is recorded, and nothing is charged." in await admin.page(path(main, "/billing"))


async def test_each_page_takes_as_many_statements_however_much_there_is(admin, dashboard, stage, main):
    counting = Counting(stage.panel.database)
    dashboard._state[PANEL] = replace(stage.panel, database=counting)  # noqa: SLF001 - it runs already
    counts = []
    for _ in range(2):
        for end in ("", "/people", "/usage", "/billing", "/activity", "/settings"):
            before = counting.count
            await admin.page(path(main, end))
            counts.append(counting.count - before)
        for number in range(8):
            member = f"person{number}{len(counts)}@example.com"
            await organizations_flow.add_member(stage.panel, main, member, Role.VIEWER, stage.admin)
            await stage.app(f"app-{number}-{len(counts)}")
            await wallet.credit(stage.panel, main, Decimal(1), "more", stage.admin)
    assert counts[:6] == counts[6:]
    assert max(counts) <= 16, counts
