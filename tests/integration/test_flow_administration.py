"""What administrators do with accounts: find, disable, enable and promote them."""

import asyncio
from dataclasses import replace

import pytest

from skypanel.domain.access import Action, Scope
from skypanel.domain.account import PublicKey
from skypanel.domain.audit import AuditAction
from skypanel.domain.errors import Conflict, Denied
from skypanel.flow import accounts as accounts_flow
from skypanel.flow import passwords, people
from skypanel.store import accounts, audit

PASSWORD = "a good long password"
KEY = PublicKey("ssh-ed25519 AAAA ada", "SHA256:ada", "ada")


@pytest.fixture
async def ada(stage):
    async with stage.panel.transaction() as conn:
        account = await accounts.add(conn, "ada@example.com")
    await passwords.reset(stage.panel, account, PASSWORD)
    await accounts_flow.add_key(stage.panel, account, KEY, by=account)
    return account


@pytest.fixture
async def ways(stage, ada):
    """Return how the account gets in: by a session, a token, its id, a key and a link."""
    panel = stage.panel
    link = (await accounts_flow.login_link(panel, ada)).partition("=")[2]
    session = (await accounts_flow.sign_in_by_link(panel, link, "192.0.2.7", "")).secret
    token, secret = await accounts_flow.authorize(panel, ada, "laptop", Scope.GLOBAL, None, by=ada)
    return (
        lambda: accounts_flow.session_account(panel, session),
        lambda: accounts_flow.caller(panel, secret),
        lambda: accounts_flow.holder(panel, token.id, Action.VIEW_APP),
        lambda: accounts_flow.bearer(panel, secret, Action.PUSH),
        lambda: accounts_flow.pusher(panel, KEY.fingerprint),
    )


async def test_a_disabled_account_gets_in_by_nothing(stage, ada, ways):
    link = (await accounts_flow.login_link(stage.panel, ada)).partition("=")[2]
    assert None not in [await way() for way in ways]
    await people.disable(stage.panel, ada, stage.admin)
    assert [await way() for way in ways] == [None] * len(ways)
    with pytest.raises(Denied, match="disabled"):
        await passwords.sign_in(stage.panel, ada.email, PASSWORD, "192.0.2.7", "")
    with pytest.raises(Denied, match="already been used"):
        await accounts_flow.sign_in_by_link(stage.panel, link, "192.0.2.7", "")
    with pytest.raises(Denied, match="password is wrong"):
        await passwords.sign_in(stage.panel, ada.email, "a wrong password", "192.0.2.7", "")


async def test_it_gets_no_link_either(stage, ada):
    await people.disable(stage.panel, ada, stage.admin)
    for let_in in (people.reset(stage.panel, ada, stage.admin), people.promote(stage.panel, ada, stage.admin)):
        with pytest.raises(Conflict, match="Enable it first"):
            await let_in


async def test_once_it_is_enabled_all_but_its_sessions_works(stage, ada, ways):
    await people.disable(stage.panel, ada, stage.admin)
    await people.enable(stage.panel, ada, stage.admin)
    signed_in, *others = [await way() for way in ways]
    assert signed_in is None
    assert None not in others
    assert await passwords.sign_in(stage.panel, ada.email, PASSWORD, "192.0.2.7", "")


@pytest.mark.parametrize("change", [people.disable, people.demote])
async def test_nobody_locks_themselves_out(stage, ada, change):
    await people.promote(stage.panel, ada, stage.admin)
    with pytest.raises(Conflict, match="your own account"):
        await change(stage.panel, stage.admin, stage.admin)


@pytest.mark.parametrize("change", [people.disable, people.demote])
async def test_of_two_who_remove_each_other_one_stays(stage, ada, change):
    await people.promote(stage.panel, ada, stage.admin)
    both = (change(stage.panel, ada, stage.admin), change(stage.panel, stage.admin, replace(ada, is_admin=True)))
    failed = [each for each in await asyncio.gather(*both, return_exceptions=True) if each is not None]
    assert [type(each) for each in failed] == [Conflict]
    async with stage.panel.autocommit() as conn:
        assert len(await accounts.admins(conn)) == 1


async def test_who_administrates_changes(stage, ada):
    await people.promote(stage.panel, ada, stage.admin)
    assert (await people.show(stage.panel, ada, stage.admin)).account.is_admin
    await people.demote(stage.panel, ada, stage.admin)
    assert not (await people.show(stage.panel, ada, stage.admin)).account.is_admin
    await people.disable(stage.panel, ada, stage.admin)
    await people.enable(stage.panel, ada, stage.admin)
    async with stage.panel.autocommit() as conn:
        done = [each.action for each in await audit.recent(conn, 4)]
    wanted = [AuditAction.ACCOUNT_ENABLE, AuditAction.ACCOUNT_DISABLE, AuditAction.ACCOUNT_DEMOTE, AuditAction.ACCOUNT_PROMOTE]
    assert done == wanted


async def test_accounts_are_found_by_part_of_their_address_page_by_page(stage, ada):
    async with stage.panel.transaction() as conn:
        for number in range(60):
            await accounts.add(conn, f"crowd{number:02}@example.com")
    first = await people.search(stage.panel, stage.admin, "CROWD", 1)
    assert (len(first.items), first.total, first.next) == (50, 60, 2)
    second = await people.search(stage.panel, stage.admin, "crowd", 2)
    assert [each.account.email for each in second.items] == [f"crowd{number}@example.com" for number in range(50, 60)]
    assert (await people.search(stage.panel, stage.admin, "%", 1)).total == 0
    assert (await people.search(stage.panel, stage.admin, "", 1)).total == 62
    [found] = (await people.search(stage.panel, stage.admin, "ada@", 1)).items
    assert (found.has_password, found.keys, found.disabled_at) == (True, 1, None)


async def test_only_administrators_do_that(stage, ada):
    other = await stage.outsider()
    acts = [act(stage.panel, ada, other) for act in (people.disable, people.enable, people.promote, people.demote)]
    answers = await asyncio.gather(*acts, people.search(stage.panel, other, "", 1), return_exceptions=True)
    assert all(isinstance(each, Denied) for each in answers)
