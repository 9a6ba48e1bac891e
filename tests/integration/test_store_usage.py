"""Triggers write down what apps are to run, whoever changes what that depends on."""

import asyncio
from datetime import timedelta
from decimal import Decimal

import psycopg2
import pytest
from sqlalchemy import select, text, update

from skypanel.domain.billing import HOUR, EntryKind, hour_of
from skypanel.domain.release import ReleaseState
from skypanel.store import apps, formation, organizations, plans, usage, wallets
from skypanel.store.tables.apps import applications
from skypanel.store.tables.billing import usage_spans, wallet_entries
from tests.support import factories

PRICE = Decimal("0.0200")


async def spans(conn, app):
    return await conn.all(select(usage_spans).where(usage_spans.c.app_id == app.id).order_by(usage_spans.c.id))


def shown(found):
    return [(row.process_type, row.quantity, row.until is None) for row in found]


async def live(conn, app, **changes):
    """Have a release of an app serve."""
    slug = await factories.slug(conn, app, **changes)
    release = await factories.release(conn, app, slug_=slug, state=ReleaseState.SUCCEEDED)
    await formation.fill(conn, app.id, slug.process_types)
    await apps.set_current_release(conn, app.id, release.id)
    return release


@pytest.fixture
async def app(database):
    async with database.transaction() as conn:
        return await factories.app(conn)


@pytest.mark.req("R4.3")
async def test_an_app_counts_from_the_moment_that_its_first_release_serves(database, app):
    async with database.transaction() as conn:
        await formation.fill(conn, app.id, ("web",))
        assert await spans(conn, app) == []
        before = await usage.now(conn)
        await live(conn, app)
        [span] = await spans(conn, app)
        assert before < span.since < await usage.now(conn)
    assert (span.organization_id, span.app_name, span.process_type) == (app.organization_id, app.name, "web")
    assert (span.quantity, span.hourly_price, span.plan_version_id, span.until) == (1, PRICE, app.plan.id, None)


@pytest.mark.req("R4.3", "R15.4")
async def test_scaling_ends_a_span_where_the_next_begins(database, app):
    async with database.transaction() as conn:
        await live(conn, app)
    for quantity in (3, 3, 0):
        async with database.transaction() as conn:
            await formation.put(conn, app.id, "web", quantity)
    async with database.transaction() as conn:
        await formation.put(conn, app.id, "worker", 2)
        found = await spans(conn, app)
    assert shown(found) == [("web", 1, False), ("web", 3, False), ("worker", 2, True)]
    assert found[0].until == found[1].since < found[1].until <= found[2].since


@pytest.mark.req("R4.3")
async def test_a_process_type_that_a_release_has_no_more_ends(database, app):
    async with database.transaction() as conn:
        await live(conn, app)
        await formation.put(conn, app.id, "worker", 1)
        await live(conn, app, process_types={"web": "serve"})
        assert shown(await spans(conn, app)) == [("web", 1, True), ("worker", 1, False)]
        await live(conn, app)
        assert shown(await spans(conn, app))[2:] == [("worker", 1, True)]


@pytest.mark.req("R4.3")
async def test_another_plan_another_name_and_another_organization_begin_a_new_span(database, app):
    async with database.transaction() as conn:
        await live(conn, app)
        dearer = await factories.plan(conn, "Pro")
        await conn.execute(update(applications).where(applications.c.id == app.id).values(plan_version_id=dearer.id))
        await apps.rename(conn, app.id, "hallo")
        other = await factories.organization(conn)
        await conn.execute(update(applications).where(applications.c.id == app.id).values(organization_id=other.id))
        found = await spans(conn, app)
    assert [(row.hourly_price, row.app_name, row.organization_id) for row in found] == [
        (PRICE, app.name, app.organization_id),
        (dearer.hourly_price, app.name, app.organization_id),
        (dearer.hourly_price, "hallo", app.organization_id),
        (dearer.hourly_price, "hallo", other.id),
    ]
    assert [row.until for row in found] == [*(row.since for row in found[1:]), None]


@pytest.mark.req("R9.4")
async def test_a_plan_that_is_edited_leaves_the_price_of_an_app_alone(database, app):
    async with database.transaction() as conn:
        await live(conn, app)
        offer = next(offer for offer in plans_offered() if offer.name == app.plan.name)
        await plans.add(conn, offer)
        await formation.put(conn, app.id, "web", 2)
        assert {row.hourly_price for row in await spans(conn, app)} == {PRICE}


def plans_offered():
    return [type(offer)(offer.name, offer.cpu_cores, offer.memory_bytes, offer.max_replicas, Decimal(9)) for offer in factories.FIRST_PLANS]


@pytest.mark.req("R4.3", "R10.4")
async def test_nothing_counts_of_a_suspended_organization(database, app):
    async with database.transaction() as conn:
        await live(conn, app)
        await organizations.set_unpaid(conn, app.organization_id, unpaid=True)
        assert (await apps.get(conn, app.id)).suspension
        await formation.put(conn, app.id, "web", 2)
        assert shown(await spans(conn, app)) == [("web", 1, False)]
        await organizations.set_unpaid(conn, app.organization_id, unpaid=False)
        assert shown(await spans(conn, app))[1:] == [("web", 2, True)]


@pytest.mark.req("R4.3")
async def test_an_app_that_goes_counts_no_more_and_what_it_used_stays(database, app):
    async with database.transaction() as conn:
        await live(conn, app)
        await apps.remove(conn, app.id)
        assert shown(await spans(conn, app)) == [("web", 1, False)]


@pytest.mark.req("R4.3")
async def test_changes_at_once_do_not_miss_each_other(database, app):
    async with database.transaction() as conn:
        release = await live(conn, app)
        await apps.set_current_release(conn, app.id, None)
    holds, go_on = asyncio.Event(), asyncio.Event()

    async def scale():
        async with database.transaction() as conn:
            await formation.put(conn, app.id, "web", 5)
            holds.set()
            await go_on.wait()

    async def serve():
        async with database.transaction() as conn:
            await apps.set_current_release(conn, app.id, release.id)

    scaling = asyncio.create_task(scale())
    await holds.wait()
    serving = asyncio.create_task(serve())
    done, _ = await asyncio.wait([serving], timeout=0.3)
    assert not done
    go_on.set()
    await asyncio.gather(scaling, serving)
    async with database.transaction() as conn:
        assert shown(await spans(conn, app))[-1] == ("web", 5, True)


async def test_a_change_on_its_way_is_waited_for(database, app):
    async with database.transaction() as conn:
        await live(conn, app)

    async def wait():
        async with database.transaction() as conn:
            await usage.await_changes(conn)

    async with database.transaction() as conn:
        await formation.put(conn, app.id, "web", 2)
        waiting = asyncio.create_task(wait())
        done, _ = await asyncio.wait([waiting], timeout=0.3)
        assert not done
    await waiting


async def test_a_clock_that_is_set_back_makes_no_span_that_ends_before_it_begins(database, app):
    async with database.transaction() as conn:
        await live(conn, app)
        later = await usage.now(conn) + timedelta(minutes=5)
        await conn.execute(update(usage_spans).where(usage_spans.c.app_id == app.id).values(since=later))
        await formation.put(conn, app.id, "web", 2)
        first, second = await spans(conn, app)
    assert first.since == first.until == second.since == later


async def test_what_ran_before_the_panel_counted_counts_from_then_on(database, app):
    async with database.transaction() as conn:
        await live(conn, app)
        await conn.execute(text("DELETE FROM paas_usage_spans"))
        await conn.all(text("SELECT paas_track_usage(id) FROM paas_applications"))
        assert shown(await spans(conn, app)) == [("web", 1, True)]


async def test_a_wallet_is_what_its_lines_add_up_to(database):
    async with database.transaction() as conn:
        owner, admin = await factories.organization(conn), await factories.account(conn)
        hour = hour_of(await usage.now(conn))
        assert await wallets.unopened(conn) == [owner.id]
        assert await wallets.balance(conn, owner.id) == 0
        assert await wallets.open_(conn, owner.id, Decimal(10))
        assert not await wallets.open_(conn, owner.id, Decimal(10))
        assert await wallets.unopened(conn) == []
        assert await wallets.charge(conn, owner.id, hour, Decimal("0.046667"))
        assert not await wallets.charge(conn, owner.id, hour, Decimal("0.046667"))
        assert await wallets.charge(conn, owner.id, hour + HOUR, Decimal("0.02"))
        await wallets.credit(conn, owner.id, Decimal("-2.5"), "a mistake", admin)
        lines = await wallets.recent(conn, owner.id, 10)
        assert await wallets.balance(conn, owner.id) == Decimal("7.433333") == sum(line.amount for line in lines)
        assert [(known.id, funds.balance) for known, funds in await wallets.funds_of_all(conn)] == [(owner.id, Decimal("7.433333"))]
    assert [line.kind for line in lines] == [EntryKind.CREDIT, EntryKind.CHARGE, EntryKind.CHARGE, EntryKind.OPENING]
    assert (lines[0].note, lines[0].email) == ("a mistake", admin.email)
    assert [line.hour for line in lines] == [None, hour + HOUR, hour, None]


@pytest.mark.parametrize(
    "statement", [wallet_entries.update().values(amount=0), wallet_entries.delete(), text("TRUNCATE paas_wallet_entries")]
)
async def test_no_line_of_a_wallet_is_ever_changed(database, statement):
    async with database.transaction() as conn:
        owner = await factories.organization(conn)
        await wallets.open_(conn, owner.id, Decimal(10))
    with pytest.raises(psycopg2.errors.RaiseException, match="never changed"):
        async with database.transaction() as conn:
            await conn.execute(statement)
    async with database.transaction() as conn:
        assert await wallets.balance(conn, owner.id) == 10
