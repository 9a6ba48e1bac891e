"""The page about billing: what is left, and what each app cost in a month."""

from datetime import timedelta
from decimal import Decimal

import pytest
from sqlalchemy import update

from skypanel.domain.billing import HOUR, hour_of, month_of
from skypanel.flow import billing as billing_flow
from skypanel.flow import organizations as organizations_flow
from skypanel.flow import settings as settings_flow
from skypanel.flow import wallet
from skypanel.store import organizations, usage
from skypanel.store.tables.billing import usage_spans
from skypanel.store.tables.organizations import organizations as organization_rows


@pytest.fixture
async def main(stage):
    """The first organization, which pays, with an app that has run since the hour before this one."""
    async with stage.panel.transaction() as conn:
        [main] = await organizations.of(conn, stage.admin.id)
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


async def hour_charged(stage, main):
    return (await wallet.show(stage.panel, main, 10)).entries[0].hour


@pytest.mark.req("R10.5")
async def test_it_shows_the_balance_and_the_cost_of_each_app(admin, stage, main):
    hour = await hour_charged(stage, main)
    page = await admin.page(f"/billing?month={hour:%Y-%m}")
    assert f"Billing in {hour:%B %Y}" in page
    assert "Balance <strong>99.98 USD</strong>" in page
    assert "<td>hello</td>" in page
    assert f"The hour from {hour:%Y-%m-%d %H:%M:%S} UTC" in page
    assert "<td>-0.0200 USD</td><td>99.9800 USD</td>" in page
    assert "The starting credit" in page
    assert 'href="/billing"' in await admin.page("/apps")


async def test_other_months_can_be_looked_at(admin, stage, main):
    page = await admin.page("/billing")
    before = month_of(month_of(stage.panel.clock.now())[0] - timedelta(days=40))[0]
    assert "Next month" not in page
    page = await admin.page(f"/billing?month={before:%Y-%m}")
    assert "No dynos ran." in page
    assert "Next month" in page
    for month in ("2026-13", "", "<b>"):
        assert "<b>" not in await admin.page(f"/billing?month={month}", 422)


async def test_at_an_empty_wallet_the_pages_say_so(admin, stage, main):
    await wallet.credit(stage.panel, main, Decimal(-100), "<i>nothing</i> left", stage.admin)
    await stage.work()
    page = await admin.page("/billing")
    assert "The wallet is empty: its apps are stopped." in page
    assert "skypanel wallet credit Main AMOUNT" in page
    assert "&lt;i&gt;nothing&lt;/i&gt; left" in page
    assert 'class="state suspended">suspended' in await admin.page("/apps")
    assert "the wallet of its organization is empty" in await admin.page("/apps/hello")
    response = await admin.send("/apps/hello/rollback", page="/account", version="1")
    assert response.status == 402
    assert "skypanel wallet credit" in await response.text()


async def test_nobody_sees_the_wallet_of_others(client, stage, main):
    stranger = await stage.outsider()
    await organizations_flow.create(stage.panel, stranger, "Theirs")
    assert (await client.sign_in(stranger)).status == 303
    page = await client.page("/billing")
    assert "Theirs" in page
    assert "Main" not in page.replace('aria-label="Main"', "")
    assert "hello" not in page
    await wallet.set_billed(stage.panel, main, stage.admin, billed=False)
    assert "Balance <strong>100.00 USD</strong>" in await client.page("/billing")


async def test_where_nothing_is_charged_it_says_so(admin, stage):
    assert "Usage is recorded, and nothing is charged." in await admin.page("/billing")
