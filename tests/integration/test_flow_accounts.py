"""Everybody's keys, tokens and ways in, by themselves and by an administrator, on a real database."""

from uuid import uuid4

import pytest

from skypanel.domain.account import PublicKey
from skypanel.domain.errors import Conflict, Denied, Invalid, NotFound
from skypanel.flow import accounts, passwords, people
from skypanel.store import audit
from skypanel.store import keys as stored_keys
from skypanel.store import tokens as stored_tokens

PASSWORD = "a long enough password"
KEY = PublicKey("ssh-ed25519 AAAA", "SHA256:adas", "laptop")


@pytest.fixture
async def ada(stage):
    """Somebody who was invited once and whose link is lost."""
    invitation = await people.invite(stage.panel, "ada@example.com", stage.admin)
    return invitation.account


async def records(stage, count):
    async with stage.panel.transaction() as conn:
        return [(row.action, row.account_id, row.details.get("account")) for row in await audit.recent(conn, count)]


async def sign_in(stage, invitation):
    return (await accounts.sign_in_by_link(stage.panel, invitation.link.partition("=")[2], "198.51.100.1")).secret


async def test_a_second_invitation_takes_the_place_of_the_first(stage):
    first, second = [await people.invite(stage.panel, "Ada@Example.com", stage.admin) for _ in range(2)]
    assert first.account == second.account
    with pytest.raises(Denied, match="skypanel accounts invite"):
        await sign_in(stage, first)
    session = await sign_in(stage, second)
    assert await accounts.session_account(stage.panel, session) == second.account
    invited = [row for row in await records(stage, 4) if row[0] == "account.invite"]
    assert invited == [("account.invite", stage.admin.id, "ada@example.com")] * 2


async def test_who_has_a_password_is_not_signed_in_by_others_without_noticing(stage, ada):
    await passwords.reset(stage.panel, ada, PASSWORD)
    with pytest.raises(Conflict, match=r"skypanel accounts reset ada@example\.com"):
        await people.invite(stage.panel, ada.email, stage.admin)
    session = (await passwords.sign_in(stage.panel, ada.email, PASSWORD, "198.51.100.1")).secret
    link = await people.reset(stage.panel, ada, stage.admin)
    assert (await records(stage, 1)) == [("account.reset", stage.admin.id, "ada@example.com")]
    assert await accounts.session_account(stage.panel, session) is None
    with pytest.raises(Denied):
        await passwords.sign_in(stage.panel, ada.email, PASSWORD, "198.51.100.1")
    begun = await sign_in(stage, link)
    await passwords.change(stage.panel, ada, "", "another good password", begun, "198.51.100.1")
    assert await passwords.sign_in(stage.panel, ada.email, "another good password", "198.51.100.1")


async def test_keys_and_tokens_outlive_a_lost_password(stage, ada):
    await accounts.add_key(stage.panel, ada, KEY, by=ada)
    secret = await accounts.add_token(stage.panel, ada, "for the CI")
    await people.reset(stage.panel, ada, stage.admin)
    entry = await people.show(stage.panel, ada, stage.admin)
    assert (entry.account, entry.has_password, entry.keys, entry.tokens) == (ada, False, 1, 1)
    assert (await accounts.caller(stage.panel, secret)).account == ada


async def test_an_administrator_gives_and_takes_keys_of_others_and_is_on_record_for_it(stage, ada):
    added = await accounts.add_key(stage.panel, ada, KEY, by=stage.admin)
    assert await accounts.add_key(stage.panel, ada, KEY, by=ada) == added
    assert await records(stage, 1) == [("key.add", stage.admin.id, "ada@example.com")]
    async with stage.panel.transaction() as conn:
        assert await stored_keys.owner(conn, KEY.fingerprint) == ada
    with pytest.raises(Conflict, match="another account"):
        await accounts.add_key(stage.panel, stage.admin, KEY, by=stage.admin)
    assert await accounts.remove_key(stage.panel, ada, KEY.fingerprint, by=stage.admin)
    assert not await accounts.remove_key(stage.panel, ada, KEY.fingerprint, by=stage.admin)
    assert await records(stage, 2) == [("key.remove", stage.admin.id, "ada@example.com"), ("key.add", stage.admin.id, "ada@example.com")]


async def test_an_administrator_makes_and_revokes_tokens_of_others_and_is_on_record_for_it(stage, ada):
    token, secret = await accounts.authorize(stage.panel, ada, "for the CI", "read", None, by=stage.admin)
    assert (await accounts.caller(stage.panel, secret)).account == ada
    assert await accounts.revoke_token(stage.panel, ada, token.id, by=stage.admin)
    assert not await accounts.revoke_token(stage.panel, ada, token.id, by=stage.admin)
    assert await records(stage, 2) == [
        ("token.revoke", stage.admin.id, "ada@example.com"),
        ("token.add", stage.admin.id, "ada@example.com"),
    ]
    async with stage.panel.transaction() as conn:
        assert await stored_tokens.of(conn, ada.id) == []


async def test_nobody_else_has_a_say_in_anothers_account(stage, ada):
    bob = await stage.outsider()
    token, _ = await accounts.authorize(stage.panel, ada, "hers", "read", None, by=ada)
    await accounts.add_key(stage.panel, ada, KEY, by=ada)
    before = await people.overview(stage.panel, stage.admin), await records(stage, 3)
    for attempt in (
        lambda: people.overview(stage.panel, bob),
        lambda: people.show(stage.panel, ada, bob),
        lambda: people.find(stage.panel, bob, ada.email),
        lambda: people.find(stage.panel, bob, "nobody@example.com"),
        lambda: people.invite(stage.panel, "carol@example.com", bob),
        lambda: people.invite(stage.panel, ada.email, ada),
        lambda: people.reset(stage.panel, ada, bob),
        lambda: people.reset(stage.panel, bob, bob),
        lambda: accounts.add_key(stage.panel, ada, PublicKey("ssh-ed25519 BBBB", "SHA256:bobs", "laptop"), by=bob),
        lambda: accounts.remove_key(stage.panel, ada, KEY.fingerprint, by=bob),
        lambda: accounts.authorize(stage.panel, ada, "mine", "global", None, by=bob),
        lambda: accounts.revoke_token(stage.panel, ada, token.id, by=bob),
    ):
        with pytest.raises(Denied, match="Only an administrator"):
            await attempt()
    assert (await people.overview(stage.panel, stage.admin), await records(stage, 3)) == before


async def test_accounts_are_found_by_address_and_id_and_ones_own_by_everybody(stage, ada):
    for who in (ada.email, ada.email.upper(), str(ada.id)):
        assert await people.find(stage.panel, stage.admin, who) == await people.find(stage.panel, ada, who) == ada
    for who in ("nobody@example.com", str(uuid4()), ""):
        with pytest.raises(NotFound, match="skypanel accounts list"):
            await people.find(stage.panel, stage.admin, who)


async def test_what_is_no_address_is_invited_to_nothing(stage):
    before = await people.overview(stage.panel, stage.admin)
    with pytest.raises(Invalid):
        await people.invite(stage.panel, "no address", stage.admin)
    assert await people.overview(stage.panel, stage.admin) == before
