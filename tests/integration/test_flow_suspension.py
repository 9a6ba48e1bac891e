"""An administrator stops all apps of an organization: nothing but an administrator brings them back."""

import asyncio
from decimal import Decimal

import pytest

from skypanel.domain.access import Role
from skypanel.domain.errors import Denied, NotFound
from skypanel.domain.figures import Granted
from skypanel.domain.suspension import Suspension
from skypanel.flow import apps as apps_flow
from skypanel.flow import billing as billing_flow
from skypanel.flow import figures, organizations, reconcile, run, scale, suspension, transfer, wallet
from skypanel.flow import settings as settings_flow
from skypanel.store import apps, audit, formation
from skypanel.store import organizations as stored
from tests.support.attempts import ATTEMPTS
from tests.support.stored import active_rollout


async def now(stage, app):
    async with stage.panel.transaction() as conn:
        return await apps.get(conn, app.id)


async def names(stage, app):
    return sorted(dyno.key.name for dyno in await stage.panel.scheduler.dynos(app.id))


async def pay(stage, main, amount):
    """Have the organization pay from a wallet with `amount` in it."""
    await settings_flow.change(stage.panel, stage.admin, {"billing": "true"})
    async with stage.panel.transaction() as conn:
        await billing_flow.open_wallet(conn, main.id)
    left = (await wallet.show(stage.panel, main, 1)).balance
    await wallet.credit(stage.panel, main, Decimal(amount) - left, "as the test wants it", stage.admin)
    await wallet.set_billed(stage.panel, main, stage.admin, billed=True)


@pytest.mark.req("R16.5")
async def test_all_apps_of_an_organization_stop_and_run_again(stage, main, app):
    await scale.scale(stage.panel, app, {"web": 2, "worker": 1}, stage.admin)
    other = await stage.app("other")
    await stage.push(other, "second")
    acme = await organizations.create(stage.panel, stage.admin, "Acme")
    theirs = await apps_flow.create(stage.panel, stage.admin, "theirs", organization_id=acme.id)
    await stage.push(theirs, "third")
    await stage.work()
    await run.detached(stage.panel, app, "toil", stage.admin)

    assert (await suspension.hold(stage.panel, main, stage.admin)).suspension is Suspension.HELD
    await stage.work()
    await reconcile.reconcile(stage.panel)
    await stage.work()
    assert await names(stage, app) == await names(stage, other) == []
    assert await stage.panel.scheduler.one_offs() == []
    assert await names(stage, theirs) == ["web.1"]
    assert stage.panel.router.routes.keys() == {theirs.id}
    assert stage.panel.logs.lines[app.id] == [("api", "Stopped: an administrator suspended Main.")]
    async with stage.panel.transaction() as conn:
        assert await active_rollout(conn, app.id) is None
        assert await formation.get(conn, app.id) == {"web": 2, "worker": 1}
    assert {used.granted for used in (await figures.resource_usage(stage.panel, main)).apps} == {Granted()}

    assert (await suspension.resume(stage.panel, main, stage.admin)).suspension is None
    await stage.work()
    assert await names(stage, app) == ["web.1", "web.2", "worker.1"]
    assert await names(stage, other) == ["web.1"]
    assert stage.panel.logs.lines[other.id][-1] == ("api", "Running again: an administrator resumed Main.")


@pytest.mark.req("R16.5")
async def test_neither_billing_nor_a_credit_brings_them_back(stage, main, app):
    await pay(stage, main, 10)
    await suspension.hold(stage.panel, main, stage.admin)
    await stage.work()
    for step in (billing_flow.bill(stage.panel), wallet.credit(stage.panel, main, Decimal(5), "paid", stage.admin)):
        await step
        await reconcile.reconcile(stage.panel)
        await stage.work()
        assert await names(stage, app) == []
    await wallet.set_billed(stage.panel, main, stage.admin, billed=False)
    await stage.work()
    assert await names(stage, app) == []
    assert len(stage.panel.logs.lines[app.id]) == 1


@pytest.mark.req("R16.5", "R10.4")
async def test_what_an_administrator_resumes_waits_for_money_all_the_same(stage, main, app):
    await pay(stage, main, 10)
    await suspension.hold(stage.panel, main, stage.admin)
    await wallet.credit(stage.panel, main, Decimal(-20), "nothing left", stage.admin)
    await stage.work()
    assert (await now(stage, app)).suspension is Suspension.HELD
    assert (await suspension.resume(stage.panel, main, stage.admin)).suspension is Suspension.UNPAID
    await stage.work()
    assert await names(stage, app) == []
    # Nothing was said of what changed nothing.
    assert stage.panel.logs.lines[app.id] == [("api", "Stopped: an administrator suspended Main.")]
    await wallet.credit(stage.panel, main, Decimal(20), "paid", stage.admin)
    await stage.work()
    assert await names(stage, app) == ["web.1"]


@pytest.mark.req("R16.5")
@pytest.mark.parametrize("attempt", ATTEMPTS)
async def test_nothing_can_be_made_run_meanwhile_and_it_is_told_why(stage, main, app, attempt):
    await suspension.hold(stage.panel, main, stage.admin)
    await stage.work()
    with pytest.raises(Denied, match="an administrator of this panel suspended its organization") as refusal:
        await ATTEMPTS[attempt](stage, app)
    assert "skypanel orgs resume" in refusal.value.hint
    await stage.work()
    assert await names(stage, app) == []


@pytest.mark.req("R16.5")
async def test_a_release_on_its_way_does_not_go_live(stage, main, app):
    await stage.push(app, "second")
    await suspension.hold(stage.panel, main, stage.admin)
    await stage.work()
    assert await names(stage, app) == []
    await suspension.resume(stage.panel, main, stage.admin)
    await stage.work()
    assert {dyno.key.version for dyno in await stage.panel.scheduler.dynos(app.id)} == {1}


async def test_nobody_takes_an_app_out_of_it_but_an_administrator(stage, main, app):
    by = await stage.member(Role.OWNER)
    elsewhere = await organizations.create(stage.panel, by, "Elsewhere")
    offered = await transfer.offer(stage.panel, app, stage.admin, by)
    await organizations.create(stage.panel, stage.admin, "Acme")
    await suspension.hold(stage.panel, main, stage.admin)
    with pytest.raises(Denied, match="cannot be transferred"):
        await transfer.transfer(stage.panel, app, elsewhere, by)
    assert (await now(stage, app)).organization_id == main.id
    await transfer.accept(stage.panel, offered, stage.admin)
    await stage.work()
    assert await names(stage, app) == ["web.1"]


@pytest.mark.parametrize("role", [None, *Role])
async def test_only_administrators_of_the_panel_suspend(stage, main, app, role):
    by = await stage.member(role) if role else await stage.outsider()
    with pytest.raises(Denied):
        await suspension.hold(stage.panel, main, by)
    await suspension.hold(stage.panel, main, stage.admin)
    with pytest.raises(Denied):
        await suspension.resume(stage.panel, main, by)
    assert (await now(stage, app)).suspension is Suspension.HELD


async def test_both_are_on_record_once_with_who_did_it(stage, main, app):
    await asyncio.gather(*(suspension.hold(stage.panel, main, stage.admin) for _ in range(3)))
    assert len(stage.panel.logs.lines[app.id]) == 1
    await suspension.resume(stage.panel, main, stage.admin)
    await suspension.resume(stage.panel, main, stage.admin)
    async with stage.panel.transaction() as conn:
        deeds = [entry for entry in await audit.recent(conn, 20) if entry.action.startswith("organization.")]
    assert [deed.action for deed in deeds] == ["organization.resume", "organization.suspend"]
    assert {(deed.email, deed.organization_id, deed.details["reason"]) for deed in deeds} == {(stage.admin.email, main.id, "administrator")}


async def test_one_that_is_gone_cannot_be_suspended(stage):
    acme = await organizations.create(stage.panel, stage.admin, "Acme")
    async with stage.panel.transaction() as conn:
        await stored.remove(conn, acme.id)
    with pytest.raises(NotFound):
        await suspension.hold(stage.panel, acme, stage.admin)
