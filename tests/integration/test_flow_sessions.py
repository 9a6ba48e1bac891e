"""Sessions of an account, and whom throttling keeps out, on a real database."""

import pytest
from sqlalchemy import text

from skypanel.domain.errors import Denied, NotFound, Throttled
from skypanel.domain.password import MOST_HERE, MOST_OF_ACCOUNT
from skypanel.flow import accounts, passwords, sessions
from skypanel.store import audit
from tests.unit.test_session import FIREFOX

PASSWORD = "correct horse battery staple"
HOME = "2001:db8:0:1::7"


@pytest.fixture
async def ada(stage):
    await passwords.reset(stage.panel, stage.admin, PASSWORD)
    return stage.admin


async def sign_in(stage, account, address=HOME, browser=""):
    return (await passwords.sign_in(stage.panel, account.email, PASSWORD, address, browser)).secret


async def wrong(stage, account, address):
    with pytest.raises(Denied):
        await passwords.sign_in(stage.panel, account.email, "wrong", address)


async def is_valid(stage, session):
    return await accounts.session_account(stage.panel, session) is not None


async def test_a_list_of_sessions_shows_what_tells_them_apart(stage, ada):
    first = await sign_in(stage, ada, browser=f"{FIREFOX}\n{'x' * 999}")
    second = await sign_in(stage, ada, "192.0.2.1")
    newest, oldest = await sessions.of(stage.panel, ada, first)
    assert (newest.browser, newest.address, newest.is_this) == (None, "192.0.2.1", False)
    assert (oldest.browser[:70], oldest.address, oldest.is_this) == (FIREFOX, HOME, True)
    assert len(oldest.browser) == 300
    assert newest.begun_at > oldest.begun_at
    assert (await sessions.of(stage.panel, ada, second))[0].is_this


async def test_use_marks_a_session_as_seen_once_a_minute(stage, ada):
    session = await sign_in(stage, ada)

    async def seen():
        await accounts.session_account(stage.panel, session)
        return (await sessions.of(stage.panel, ada, session))[0].last_seen_at

    begun = await seen()
    assert await seen() == begun
    async with stage.panel.transaction() as conn:
        await conn.execute(text("UPDATE paas_sessions SET last_seen_at = last_seen_at - interval '2 minutes'"))
    assert await seen() > begun


async def test_one_session_ends_or_all_others(stage, ada):
    this, other, third = [await sign_in(stage, ada) for _ in range(3)]
    ids = {secret: (await sessions.of(stage.panel, ada, secret)) for secret in (other,)}
    [target] = [each for each in ids[other] if each.is_this]
    await sessions.end(stage.panel, ada, target.id)
    assert [await is_valid(stage, each) for each in (this, other, third)] == [True, False, True]
    assert await sessions.end_others(stage.panel, ada, this) == 1
    assert [await is_valid(stage, each) for each in (this, other, third)] == [True, False, False]
    async with stage.panel.transaction() as conn:
        assert [row.action for row in await audit.recent(conn, 2)] == ["account.end_sessions"] * 2
    with pytest.raises(NotFound):
        await sessions.end(stage.panel, ada, target.id)


async def test_nobody_ends_sessions_of_others(stage, ada):
    session = await sign_in(stage, ada)
    [target] = await sessions.of(stage.panel, ada, session)
    with pytest.raises(NotFound):
        await sessions.end(stage.panel, await stage.outsider(), target.id)
    assert await is_valid(stage, session)


async def test_guesses_from_many_addresses_keep_out_strangers_but_not_the_owner(stage, ada):
    session = await sign_in(stage, ada)
    for number in range(MOST_OF_ACCOUNT):
        await wrong(stage, ada, f"198.51.100.{number}")
    with pytest.raises(Throttled):
        await sign_in(stage, ada, "203.0.113.1")
    # From the network that is known to be theirs, and signed in, they do what they want.
    assert await sign_in(stage, ada, "2001:db8:0:1::8")
    await passwords.change(stage.panel, ada, PASSWORD, PASSWORD + "!", session, "203.0.113.1")


async def test_a_known_address_is_not_free_to_guess(stage, ada):
    await sign_in(stage, ada)
    for _ in range(MOST_HERE):
        await wrong(stage, ada, HOME)
    with pytest.raises(Throttled):
        await sign_in(stage, ada)


async def test_an_address_is_known_to_one_account_only_and_not_forever(stage, ada):
    await sign_in(stage, ada)
    other = await stage.outsider()
    await passwords.reset(stage.panel, other, PASSWORD)
    async with stage.panel.transaction() as conn:
        await conn.execute(text("UPDATE paas_known_addresses SET last_used_at = now() - interval '91 days'"))
    for number in range(MOST_OF_ACCOUNT):
        await wrong(stage, ada, f"198.51.100.{number}")
    with pytest.raises(Throttled):
        await sign_in(stage, ada)
    assert await sign_in(stage, other)


async def test_who_is_signed_in_cannot_guess_the_password_either(stage, ada):
    session = await sign_in(stage, ada)
    for _ in range(MOST_HERE):
        with pytest.raises(Denied, match="not your current password"):
            await passwords.change(stage.panel, ada, "wrong", PASSWORD, session, HOME)
    with pytest.raises(Throttled):
        await passwords.change(stage.panel, ada, PASSWORD, PASSWORD, session, HOME)
