"""Deleting an organization: what becomes of its apps and its wallet, who may, and what is left where it fails."""

import asyncio
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest
from sqlalchemy import func, select, update

from skypanel.domain.access import Action, Role, allows
from skypanel.domain.billing import HOUR, EntryKind, hour_of
from skypanel.domain.deletion import OnDelete
from skypanel.domain.errors import Conflict, Denied, Invalid, NotFound, Unavailable
from skypanel.flow import apps as apps_flow
from skypanel.flow import billing as billing_flow
from skypanel.flow import deletion, organizations, reconcile, run, suspension, wallet
from skypanel.flow import settings as settings_flow
from skypanel.store import accounts, apps, audit, usage, wallets
from skypanel.store import organizations as stored
from skypanel.store.tables.billing import resource_usage, usage_spans
from skypanel.store.tables.organizations import memberships
from skypanel.store.tables.organizations import organizations as organization_rows
from tests.support.organizations import app_names, exists

PRICE = Decimal("0.02")
DESTROY = {"on_delete": OnDelete.DESTROY, "confirm": "Acme"}


@pytest.fixture
async def acme(stage):
    return await organizations.create(stage.panel, stage.admin, "Acme")


@pytest.fixture
async def own(stage, acme):
    """Two apps of Acme's that run, and one that never did."""
    made = [await apps_flow.create(stage.panel, stage.admin, name, organization_id=acme.id) for name in ("anvil", "rocket", "early")]
    for app in made[:2]:
        await stage.push(app)
    await stage.work()
    return made


async def delete(stage, acme, by=None, **choice):
    return await deletion.delete(stage.panel, acme, by or stage.admin, **choice)


async def deeds(stage, action):
    async with stage.panel.transaction() as conn:
        return [entry for entry in await audit.recent(conn, 100) if entry.action == action]


@pytest.mark.req("R4.4", "R16.3")
async def test_without_a_choice_one_with_apps_stays_and_the_choice_is_named(stage, acme, own):
    with pytest.raises(Conflict, match="Acme has 3 apps") as refusal:
        await delete(stage, acme)
    assert refusal.value.hint == "Choose what happens to them: destroy, or reassign to another organization."
    assert await app_names(stage, acme) == ["anvil", "early", "rocket"]


@pytest.mark.req("R4.4", "R16.3")
@pytest.mark.parametrize(
    "choice",
    [
        {"on_delete": OnDelete.DESTROY},
        {"on_delete": OnDelete.DESTROY, "confirm": "acme"},
        {"on_delete": OnDelete.DESTROY, "confirm": "Main"},
        {"on_delete": OnDelete.REASSIGN},
        {"on_delete": OnDelete.REASSIGN, "to": "itself"},
    ],
)
async def test_half_a_choice_changes_nothing(stage, acme, own, choice):
    with pytest.raises(Invalid, match="Nothing was"):
        await delete(stage, acme, **choice | ({"to": acme} if "to" in choice else {}))
    assert await app_names(stage, acme) == ["anvil", "early", "rocket"]
    assert len(await stage.panel.scheduler.dynos()) == 2


@pytest.mark.req("R4.4")
async def test_its_apps_are_destroyed(stage, main, acme, own):
    other = await stage.app("other")
    await stage.push(other)
    await stage.work()
    await delete(stage, acme, **DESTROY)
    assert not await exists(stage, acme)
    assert await app_names(stage, main) == ["other"]
    assert {dyno.key.app_id for dyno in await stage.panel.scheduler.dynos()} == {other.id}
    assert stage.panel.router.routes.keys() == {other.id}
    async with stage.panel.transaction() as conn:
        assert await conn.all(select(memberships).where(memberships.c.organization_id == acme.id)) == []
    # Its names are free.
    again = await organizations.create(stage.panel, stage.admin, "Acme")
    await apps_flow.create(stage.panel, stage.admin, "anvil", organization_id=again.id)


@pytest.mark.req("R4.4")
async def test_its_apps_are_given_to_another_organization(stage, main, acme, own):
    await run.detached(stage.panel, own[0], "toil", stage.admin)
    before = {dyno.key for dyno in await stage.panel.scheduler.dynos()}
    await delete(stage, acme, on_delete=OnDelete.REASSIGN, to=main)
    await stage.work()
    assert not await exists(stage, acme)
    assert await app_names(stage, main) == ["anvil", "early", "rocket"]
    after = await stage.panel.scheduler.dynos()
    assert sorted((dyno.key.app_id, dyno.key.name) for dyno in after) == sorted((app.id, "web.1") for app in own[:2])
    assert not {dyno.key for dyno in after} & before
    assert {manifest.organization_id for manifest in stage.panel.scheduler.launched[-2:]} == {main.id}
    assert await stage.panel.scheduler.one_offs() == []
    await reconcile.reconcile(stage.panel)
    assert {dyno.key for dyno in await stage.panel.scheduler.dynos()} == {dyno.key for dyno in after}


async def test_one_without_apps_needs_no_choice(stage, acme):
    await delete(stage, acme)
    assert not await exists(stage, acme)
    with pytest.raises(NotFound):
        await delete(stage, acme)


@pytest.mark.req("R4.4")
async def test_what_it_did_stays_on_record(stage, main, acme, own):
    await delete(stage, acme, on_delete=OnDelete.REASSIGN, to=main)
    [deed] = await deeds(stage, "organization.delete")
    assert (deed.organization_id, deed.email) == (acme.id, stage.admin.email)
    assert deed.details == {"name": "Acme", "apps": "reassign", "to": "Main", "left": "100.000000"}
    assert {entry.organization_id for entry in await deeds(stage, "app.create")} == {acme.id}
    assert len(await deeds(stage, "app.transfer")) == 6
    [made] = await deeds(stage, "organization.create")
    assert made.details["name"] == "Acme"


class Breaking:
    """A scheduler that cannot stop or remove one app."""

    def __init__(self, scheduler, app):
        self._scheduler = scheduler
        self._app = app

    def __getattr__(self, name):
        return getattr(self._scheduler, name)

    async def remove(self, app_id):
        self._check(app_id)
        await self._scheduler.remove(app_id)

    async def stop(self, app_id, dyno):
        self._check(app_id)
        return await self._scheduler.stop(app_id, dyno)

    def _check(self, app_id):
        if app_id == self._app.id:
            raise Unavailable("The scheduler is gone.")


@pytest.mark.req("R4.4")
async def test_where_destroying_fails_half_way_the_rest_is_there_and_it_can_be_repeated(stage, acme, own):
    broken = replace(stage.panel, scheduler=Breaking(stage.panel.scheduler, own[2]))
    with pytest.raises(Unavailable):
        await deletion.delete(broken, acme, stage.admin, OnDelete.DESTROY, confirm="Acme")
    assert await exists(stage, acme)
    assert await app_names(stage, acme) == ["early", "rocket"]
    assert len(await stage.panel.scheduler.dynos()) == 1
    await delete(stage, acme, **DESTROY)
    assert not await exists(stage, acme)
    assert await stage.panel.scheduler.dynos() == []


@pytest.mark.req("R4.4")
async def test_where_the_scheduler_fails_all_apps_were_given_and_the_rest_can_be_repeated(stage, main, acme, own):
    await run.detached(stage.panel, own[1], "toil", stage.admin)
    broken = replace(stage.panel, scheduler=Breaking(stage.panel.scheduler, own[0]))
    with pytest.raises(Unavailable):
        await deletion.delete(broken, acme, stage.admin, OnDelete.REASSIGN, to=main)
    assert await app_names(stage, main) == ["anvil", "early", "rocket"]
    assert await stage.panel.scheduler.one_offs() == []
    await delete(stage, acme)
    assert not await exists(stage, acme)


@pytest.mark.req("R4.4")
async def test_where_an_heir_is_gone_nothing_is_moved(stage, main, acme, own):
    heir = await organizations.create(stage.panel, stage.admin, "Heir")
    await delete(stage, heir)
    with pytest.raises(Conflict):
        await delete(stage, acme, on_delete=OnDelete.REASSIGN, to=heir)
    assert await app_names(stage, acme) == ["anvil", "early", "rocket"]
    assert await deeds(stage, "app.transfer") == []


async def test_an_app_that_comes_meanwhile_is_not_lost(stage, acme):
    adding = asyncio.create_task(apps_flow.create(stage.panel, stage.admin, "late", organization_id=acme.id))
    ends = await asyncio.gather(adding, delete(stage, acme), return_exceptions=True)
    assert [type(end) for end in ends if isinstance(end, Exception)] in ([Conflict], [NotFound], [Denied])
    assert await exists(stage, acme) == (await app_names(stage, acme) == ["late"])


async def test_an_app_that_goes_elsewhere_meanwhile_is_not_destroyed(stage, main, acme, own):
    async with stage.panel.transaction() as conn:
        await apps.move(conn, own[0].id, main.id)
    with pytest.raises(Conflict, match="belongs to another organization now"):
        await apps_flow.destroy(stage.panel, own[0], stage.admin)
    assert await app_names(stage, main) == ["anvil"]


async def test_of_two_who_delete_at_once_one_does(stage, main, acme, own):
    ends = await asyncio.gather(*(delete(stage, acme, on_delete=OnDelete.REASSIGN, to=main) for _ in range(2)), return_exceptions=True)
    assert sum(isinstance(end, NotFound) for end in ends) == 1
    assert await app_names(stage, main) == ["anvil", "early", "rocket"]
    assert len(await deeds(stage, "organization.delete")) == 1


@pytest.mark.req("R16.3")
@pytest.mark.parametrize("role", [None, *Role])
async def test_role_by_who_may_delete(stage, acme, role):
    async with stage.panel.transaction() as conn:
        by = await accounts.add(conn, "by@example.com")
        if role:
            await stored.add_member(conn, acme.id, by.id, role)
    if allows(role, Action.DELETE_ORGANIZATION):
        assert role is Role.OWNER
        await delete(stage, await deletion.find(stage.panel, by, "Acme"), by)
        assert not await exists(stage, acme)
        return
    with pytest.raises(Denied if role else NotFound):
        await deletion.find(stage.panel, by, "Acme")
    with pytest.raises(Denied):
        await delete(stage, acme, by, **DESTROY)
    assert await exists(stage, acme)


@pytest.mark.req("R16.3")
async def test_an_owner_gives_apps_only_to_where_it_is_an_admin(stage, main, acme, own):
    async with stage.panel.transaction() as conn:
        by = await accounts.add(conn, "by@example.com")
        await stored.add_member(conn, acme.id, by.id, Role.OWNER)
        await stored.add_member(conn, main.id, by.id, Role.DEVELOPER)
    with pytest.raises(Denied):
        await deletion.find_recipient(stage.panel, by, "Main")
    with pytest.raises(Denied, match="in Main"):
        await delete(stage, acme, by, on_delete=OnDelete.REASSIGN, to=main)
    assert await app_names(stage, acme) == ["anvil", "early", "rocket"]
    await organizations.change_role(stage.panel, main, by.email, Role.ADMIN, stage.admin)
    await delete(stage, acme, by, on_delete=OnDelete.REASSIGN, to=await deletion.find_recipient(stage.panel, by, "Main"))
    assert await app_names(stage, main) == ["anvil", "early", "rocket"]


async def test_who_runs_the_platform_need_be_no_member_of_either(stage):
    owner = await stage.outsider()
    mine, heir = [await organizations.create(stage.panel, owner, name) for name in ("Mine", "Heir")]
    await apps_flow.create(stage.panel, owner, "anvil", organization_id=mine.id)
    to = await deletion.find_recipient(stage.panel, stage.admin, "Heir")
    await delete(stage, await deletion.find(stage.panel, stage.admin, str(mine.id)), on_delete=OnDelete.REASSIGN, to=to)
    assert await app_names(stage, heir) == ["anvil"]


async def test_an_owner_does_not_take_apps_out_of_a_suspended_one(stage, acme, own):
    async with stage.panel.transaction() as conn:
        by = await accounts.add(conn, "by@example.com")
        await stored.add_member(conn, acme.id, by.id, Role.OWNER)
    elsewhere = await organizations.create(stage.panel, by, "Elsewhere")
    await suspension.hold(stage.panel, acme, stage.admin)
    with pytest.raises(Denied, match="cannot be transferred"):
        await delete(stage, acme, by, on_delete=OnDelete.REASSIGN, to=elsewhere)
    assert await app_names(stage, elsewhere) == []


async def age(stage, acme, hours):
    """Have Acme's apps run since a number of whole hours ago, settled until then; return when that was."""
    async with stage.panel.transaction() as conn:
        since = hour_of(await usage.now(conn)) - hours * HOUR
        await conn.execute(update(usage_spans).values(since=since))
        await conn.execute(update(organization_rows).values(settled_until=since))
    return since


@pytest.mark.req("R4.4", "R10.3")
@pytest.mark.parametrize("hours", [2, 24 * 8])
async def test_what_it_used_up_to_now_is_charged_first_and_the_rest_is_told(stage, acme, own, hours):
    await settings_flow.change(stage.panel, stage.admin, {"billing": "true"})
    since = await age(stage, acme, hours)
    left = await delete(stage, acme, **DESTROY)
    async with stage.panel.transaction() as conn:
        spans = await conn.all(select(usage_spans).where(usage_spans.c.organization_id == acme.id))
        used = await conn.all(select(resource_usage).where(resource_usage.c.organization_id == acme.id))
    entries = [line for line in (await lines(stage, acme)) if line.kind is EntryKind.CHARGE]
    assert {span.until is None for span in spans} == {False}
    assert left == 100 - sum(row.cost for row in used) == 100 + sum(line.amount for line in entries)
    assert {line.hour for line in entries} >= {since + number * HOUR for number in range(hours)}
    exact = sum(((span.until - span.since) / timedelta(hours=1) for span in spans), start=0.0)
    assert float(100 - left) == pytest.approx(exact * float(PRICE), abs=1e-5)
    [deed] = await deeds(stage, "organization.delete")
    assert Decimal(deed.details["left"]) == left
    # And billing goes on without it.
    await billing_flow.bill(stage.panel)


async def test_no_money_goes_to_one_that_is_gone(stage, acme):
    await delete(stage, acme)
    with pytest.raises(NotFound):
        await wallet.credit(stage.panel, acme, Decimal(5), "too late", stage.admin)
    assert [line.kind for line in await lines(stage, acme)] == [EntryKind.OPENING]


async def lines(stage, organization):
    async with stage.panel.transaction() as conn:
        return await wallets.recent(conn, organization.id, 1000)


async def test_billing_that_meets_one_that_is_gone_goes_on_with_the_others(stage, main, acme, own):
    other = await stage.app("other")
    await stage.push(other)
    await stage.work()
    await settings_flow.change(stage.panel, stage.admin, {"billing": "true"})
    await age(stage, acme, 2)
    await wallet.credit(stage.panel, acme, Decimal(-100), "nothing left", stage.admin)
    await asyncio.gather(delete(stage, acme, **DESTROY), *(billing_flow.bill(stage.panel) for _ in range(3)))
    assert not await exists(stage, acme)
    async with stage.panel.transaction() as conn:
        row = await conn.first(select(func.count().label("number")).where(resource_usage.c.organization_id == main.id))
    assert row.number >= 2
