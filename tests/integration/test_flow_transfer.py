"""Giving apps to other organizations and people: who may, what goes along, and where the dynos are afterwards."""

import asyncio

import pytest

from skypanel.domain.access import Action, Role
from skypanel.domain.errors import Conflict, Denied, Invalid, NotFound
from skypanel.domain.transfer import TransferState
from skypanel.flow import apps as apps_flow
from skypanel.flow import collaborators, config, organizations, reconcile, run, transfer
from skypanel.flow import release as release_flow
from skypanel.flow import scale as scale_flow
from skypanel.store import accounts, apps, audit, config_vars, releases, transfers
from tests.support.stored import active_rollout


@pytest.fixture
async def hello(stage):
    app = await stage.app()
    await stage.push(app)
    await stage.work()
    return await now(stage, app)


@pytest.fixture
async def acme(stage):
    return await organizations.create(stage.panel, stage.admin, "Acme")


@pytest.fixture
async def ada(stage):
    """Somebody with an organization of their own, Lovelace."""
    account = await stage.outsider()
    await organizations.create(stage.panel, account, "Lovelace")
    return account


async def now(stage, app):
    async with stage.panel.transaction() as conn:
        return await apps.get(conn, app.id)


async def organization_of(stage, app):
    return (await now(stage, app)).organization_id


async def offers(stage, account):
    async with stage.panel.transaction() as conn:
        return await transfers.of(conn, account.id)


async def person(stage, email):
    async with stage.panel.transaction() as conn:
        return await accounts.add(conn, email)


async def test_all_that_an_app_is_goes_along_but_for_who_has_access(stage, hello, acme):
    bob = await person(stage, "bob@example.com")
    await collaborators.add(stage.panel, hello, bob.email, Role.DEVELOPER, stage.admin)
    await config.change(stage.panel, hello, {"KEY": "value"}, stage.admin)
    await stage.work()
    moved = await transfer.transfer(stage.panel, hello, acme, stage.admin)
    await stage.work()
    assert (moved.id, moved.name, moved.organization_id) == (hello.id, "hello", acme.id)
    async with stage.panel.transaction() as conn:
        assert list((await config_vars.head(conn, hello.id)).secrets) == ["KEY"]
        assert [each.version for each in await releases.recent(conn, hello.id, 9)] == [2, 1]
    assert await collaborators.of(stage.panel, moved) == []
    with pytest.raises(NotFound):
        await apps_flow.access(stage.panel, bob, "hello", Action.VIEW_APP)
    assert stage.panel.router.routes[hello.id].hosts == ("hello.localhost",)


async def test_the_dynos_are_replaced_in_the_other_organization(stage, hello, acme):
    before = {dyno.key for dyno in await stage.panel.scheduler.dynos(hello.id)}
    await transfer.transfer(stage.panel, hello, acme, stage.admin)
    assert {dyno.key for dyno in await stage.panel.scheduler.dynos(hello.id)} == before
    await stage.work()
    after = await stage.panel.scheduler.dynos(hello.id)
    assert [dyno.key.name for dyno in after] == ["web.1"]
    assert not {dyno.key for dyno in after} & before
    assert stage.panel.scheduler.launched[-1].organization_id == acme.id
    assert stage.panel.router.routes[hello.id].endpoints == (after[0].endpoint,)
    # And nothing is left to repair.
    await reconcile.reconcile(stage.panel)
    async with stage.panel.transaction() as conn:
        assert await active_rollout(conn, hello.id) is None


async def test_what_is_asked_for_afterwards_does_not_keep_the_old_dynos(stage, hello, acme):
    before = {dyno.key for dyno in await stage.panel.scheduler.dynos(hello.id)}
    await transfer.transfer(stage.panel, hello, acme, stage.admin)
    # It overtakes the rollout of the transfer.
    await scale_flow.scale(stage.panel, hello, {"web": 2}, stage.admin)
    await stage.work()
    assert not {dyno.key for dyno in await stage.panel.scheduler.dynos(hello.id)} & before


@pytest.mark.parametrize("fails", [False, True])
async def test_a_restart_under_way_leaves_no_dyno_where_it_was(stage, hello, acme, fails):
    scheduler = stage.panel.scheduler
    scheduler.hold = asyncio.Event()
    scheduler.waiting.clear()
    await scale_flow.restart(stage.panel, hello, stage.admin)
    working = asyncio.create_task(stage.work())
    await scheduler.waiting.wait()
    restarting = scheduler.launched[-1]
    await transfer.transfer(stage.panel, hello, acme, stage.admin)
    scheduler.unready = {restarting.generation} if fails else set()
    scheduler.hold.set()
    await working
    elsewhere = {key for manifest in scheduler.launched if manifest.organization_id == acme.id for key in manifest.dynos()}
    assert [dyno.key.name for dyno in await scheduler.dynos(hello.id)] == ["web.1"]
    assert {dyno.key for dyno in await scheduler.dynos(hello.id)} <= elsewhere
    assert restarting.organization_id != acme.id
    assert not set(restarting.dynos()) & elsewhere


async def test_an_app_that_never_ran_and_its_own_organization(stage, acme):
    early = await stage.app("early")
    assert (await transfer.transfer(stage.panel, early, acme, stage.admin)).organization_id == acme.id
    generation = (await now(stage, early)).generation
    await transfer.transfer(stage.panel, early, acme, stage.admin)
    assert (await now(stage, early)).generation == generation


async def test_one_off_dynos_end(stage, hello, acme):
    await run.detached(stage.panel, hello, "toil", stage.admin)
    await transfer.transfer(stage.panel, hello, acme, stage.admin)
    assert await stage.panel.scheduler.one_offs(hello.id) == []


async def test_both_organizations_have_it_on_record(stage, hello, acme):
    await transfer.transfer(stage.panel, hello, acme, stage.admin)
    async with stage.panel.transaction() as conn:
        rows = await audit.recent(conn, 2)
    assert [(row.action, row.organization_id) for row in rows] == [("app.transfer", acme.id), ("app.transfer", hello.organization_id)]
    assert {(row.details["organization_before"], row.details["organization_after"]) for row in rows} == {("Main", "Acme")}


@pytest.mark.parametrize("role", [None, *Role])
async def test_it_takes_an_admin_of_both_organizations(stage, hello, acme, role):
    by = await stage.member(role) if role else await stage.outsider()
    await organizations.add_member(stage.panel, acme, by.email, Role.ADMIN, stage.admin)
    if role is None or role < Role.ADMIN:
        with pytest.raises(Denied):
            await transfer.transfer(stage.panel, hello, acme, by)
        with pytest.raises(Denied):
            await transfer.offer(stage.panel, hello, stage.admin, by)
        assert await organization_of(stage, hello) == hello.organization_id
        return
    await organizations.change_role(stage.panel, acme, by.email, Role.DEVELOPER, stage.admin)
    with pytest.raises(Denied):
        await transfer.transfer(stage.panel, hello, acme, by)
    await organizations.change_role(stage.panel, acme, by.email, Role.ADMIN, stage.admin)
    assert (await transfer.transfer(stage.panel, hello, acme, by)).organization_id == acme.id


async def test_an_app_is_offered_and_accepted(stage, hello, ada):
    made = await transfer.offer(stage.panel, hello, ada, stage.admin)
    assert (made.state, made.app_name, made.sender, made.recipient) == (TransferState.PENDING, "hello", stage.admin, ada)
    assert await offers(stage, ada) == await offers(stage, stage.admin) == [made]
    # Until it is accepted, nothing of it is theirs.
    with pytest.raises(NotFound):
        await apps_flow.access(stage.panel, ada, "hello", Action.VIEW_APP)
    await transfer.accept(stage.panel, made, ada)
    await stage.work()
    assert await apps_flow.access(stage.panel, ada, "hello", Action.DESTROY_APP)
    with pytest.raises(NotFound):
        await apps_flow.access(stage.panel, stage.admin, "hello", Action.VIEW_APP)
    [answered] = await offers(stage, ada)
    assert answered.state is TransferState.ACCEPTED
    assert answered.answered_at is not None
    with pytest.raises(Conflict, match="is no longer offered"):
        await transfer.accept(stage.panel, made, ada)


async def test_an_offer_is_declined_withdrawn_or_replaced(stage, hello, ada):
    eve = await person(stage, "eve@example.com")
    first = await transfer.offer(stage.panel, hello, eve, stage.admin)
    second = await transfer.offer(stage.panel, hello, ada, stage.admin)
    assert await offers(stage, eve) == []
    with pytest.raises(Conflict):
        await transfer.accept(stage.panel, first, eve)
    for wrong in (eve, stage.admin):
        with pytest.raises(Denied):
            await transfer.accept(stage.panel, second, wrong)
        with pytest.raises(Denied):
            await transfer.decline(stage.panel, second, wrong)
    with pytest.raises(Denied):
        await transfer.withdraw(stage.panel, second, ada)
    await transfer.decline(stage.panel, second, ada)
    with pytest.raises(Conflict):
        await transfer.withdraw(stage.panel, second, stage.admin)
    third = await transfer.offer(stage.panel, hello, ada, stage.admin)
    await transfer.withdraw(stage.panel, third, stage.admin)
    with pytest.raises(Conflict):
        await transfer.accept(stage.panel, third, ada)
    assert [each.state for each in await offers(stage, ada)] == [TransferState.DECLINED]
    assert await organization_of(stage, hello) == hello.organization_id


async def test_an_offer_ends_with_the_right_to_make_it(stage, hello, acme, ada):
    by = await stage.member(Role.ADMIN)
    made = await transfer.offer(stage.panel, hello, ada, by)
    main = (await organizations.mine(stage.panel, stage.admin))[0][0]
    await organizations.change_role(stage.panel, main, by.email, Role.DEVELOPER, stage.admin)
    with pytest.raises(Conflict, match="can no longer transfer"):
        await transfer.accept(stage.panel, made, ada)
    assert [each.state for each in await offers(stage, ada)] == [TransferState.PENDING]
    await transfer.transfer(stage.panel, hello, acme, stage.admin)
    assert await offers(stage, ada) == []


async def test_who_is_an_admin_nowhere_else_cannot_accept(stage, hello):
    bob = await person(stage, "bob@example.com")
    made = await transfer.offer(stage.panel, hello, bob, stage.admin)
    main = (await organizations.mine(stage.panel, stage.admin))[0][0]
    await organizations.add_member(stage.panel, main, bob.email, Role.ADMIN, stage.admin)
    with pytest.raises(Conflict, match="not an admin of any organization"):
        await transfer.accept(stage.panel, made, bob)
    await organizations.create(stage.panel, bob, "Bobs")
    await transfer.accept(stage.panel, made, bob)
    with pytest.raises(Invalid, match="own address"):
        await transfer.offer(stage.panel, await now(stage, hello), bob, bob)


async def test_of_two_who_answer_at_once_one_does(stage, hello, ada):
    made = await transfer.offer(stage.panel, hello, ada, stage.admin)
    answers = (
        transfer.accept(stage.panel, made, ada),
        transfer.decline(stage.panel, made, ada),
        transfer.withdraw(stage.panel, made, stage.admin),
    )
    ends = await asyncio.gather(*answers, return_exceptions=True)
    assert [isinstance(end, Conflict) for end in ends].count(True) == 2


async def test_a_rollback_after_a_transfer_runs_in_the_other_organization(stage, hello, acme):
    await stage.push(hello)
    await stage.work()
    await transfer.transfer(stage.panel, hello, acme, stage.admin)
    await stage.work()
    await release_flow.roll_back(stage.panel, hello, 1, stage.admin)
    await stage.work()
    assert stage.panel.scheduler.launched[-1].organization_id == acme.id
