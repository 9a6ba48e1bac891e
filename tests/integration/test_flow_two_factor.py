"""Two-factor sign-in, on a real database."""

from datetime import timedelta

import pyotp
import pytest
from sqlalchemy import text

from skypanel.domain.errors import CodeNeeded, Conflict, Denied, Throttled
from skypanel.domain.password import MOST_HERE
from skypanel.domain.two_factor import MOST_OF_CODES
from skypanel.flow import accounts, passwords, people, secrets, two_factor
from skypanel.store import audit

PASSWORD = "correct horse battery staple"
HERE = "192.0.2.1"


@pytest.fixture
async def ada(stage):
    await passwords.reset(stage.panel, stage.admin, PASSWORD)
    return stage.admin


@pytest.fixture
async def app(stage, ada):
    """An app on a phone, after ada has set it up; its codes are those of the panel's time."""
    await two_factor.begin(stage.panel, ada)
    return Phone(stage.panel.clock, (await two_factor.setup(stage.panel, ada)).secret)


@pytest.fixture
async def codes(stage, ada, app):
    """The recovery codes, once two-factor sign-in is on."""
    return await two_factor.confirm(stage.panel, ada, app.next(), HERE)


class Phone:
    def __init__(self, clock, secret):
        self.clock = clock
        self.totp = pyotp.TOTP(secret)

    def code(self):
        return self.totp.at(self.clock.now())

    def next(self):
        """Return the code of the next time step."""
        self.clock.advance(30)
        return self.code()


async def sign_in(stage, ada, address=HERE):
    begun = await passwords.sign_in(stage.panel, ada.email, PASSWORD, address)
    assert begun.needs_code
    assert begun.secret not in repr(begun)
    return begun.secret


async def finish(stage, pending, code, address=HERE):
    return await two_factor.finish(stage.panel, pending, code, address, "a browser")


async def is_valid(stage, session):
    return await accounts.session_account(stage.panel, session) is not None


async def execute(stage, statement):
    async with stage.panel.transaction() as conn:
        return await conn.all(text(statement))


async def test_a_code_turns_it_on_and_then_every_sign_in_asks_for_one(stage, ada, app, codes):
    assert (await two_factor.show(stage.panel, ada)).is_on
    assert len(set(codes)) == 10
    pending = await sign_in(stage, ada)
    assert not await is_valid(stage, pending)
    assert await is_valid(stage, await finish(stage, pending, app.next()))
    link = (await accounts.login_link(stage.panel, ada)).partition("=")[2]
    begun = await accounts.sign_in_by_link(stage.panel, link, HERE)
    assert begun.needs_code
    assert await is_valid(stage, await finish(stage, begun.secret, f" {app.next()[:3]} {app.code()[3:]} "))


async def test_until_it_is_confirmed_nothing_is_asked(stage, ada, app):
    assert not (await two_factor.show(stage.panel, ada)).is_on
    assert not (await passwords.sign_in(stage.panel, ada.email, PASSWORD, HERE)).needs_code
    with pytest.raises(CodeNeeded):
        await two_factor.confirm(stage.panel, ada, "000000", HERE)
    first = await two_factor.setup(stage.panel, ada)
    await two_factor.begin(stage.panel, ada)
    assert (await two_factor.setup(stage.panel, ada)).secret != first.secret
    assert first.secret not in repr(first)


async def test_the_secret_is_encrypted_and_shown_no_more_once_it_is_confirmed(stage, ada, app, codes):
    assert await two_factor.setup(stage.panel, ada) is None
    with pytest.raises(Conflict):
        await two_factor.begin(stage.panel, ada)
    with pytest.raises(Conflict):
        await two_factor.confirm(stage.panel, ada, app.next(), HERE)
    [row] = await execute(stage, "SELECT secret FROM paas_totp_secrets")
    assert app.totp.secret.encode() not in bytes(row.secret)
    stage.panel.cipher.keys.insert(0, 2)
    await secrets.reencrypt(stage.panel)
    stage.panel.cipher.keys.remove(1)
    assert await finish(stage, await sign_in(stage, ada), app.next())


async def test_a_code_works_once(stage, ada, app, codes):
    code = app.next()
    assert await finish(stage, await sign_in(stage, ada), code)
    for late in (code, app.totp.at(app.clock.now() - timedelta(seconds=30))):
        with pytest.raises(CodeNeeded, match="used already"):
            await finish(stage, await sign_in(stage, ada), late)
    assert await finish(stage, await sign_in(stage, ada), app.next())


async def test_a_clock_may_be_half_a_minute_wrong(stage, ada, app, codes):
    for seconds, is_good in ((30, True), (120, False)):
        app.clock.advance(300)
        code = app.totp.at(app.clock.now() - timedelta(seconds=seconds))
        if is_good:
            assert await finish(stage, await sign_in(stage, ada), code)
        else:
            with pytest.raises(CodeNeeded):
                await finish(stage, await sign_in(stage, ada), code)


async def test_a_recovery_code_works_once(stage, ada, codes):
    assert await finish(stage, await sign_in(stage, ada), codes[0].upper())
    with pytest.raises(CodeNeeded):
        await finish(stage, await sign_in(stage, ada), codes[0])
    assert await finish(stage, await sign_in(stage, ada), codes[1].replace("-", " "))
    assert (await two_factor.show(stage.panel, ada)).codes_left == 8
    rows = await execute(stage, "SELECT digest FROM paas_recovery_codes")
    assert not any(code.replace("-", "") in row.digest for row in rows for code in codes)


async def test_new_recovery_codes_replace_the_old_ones(stage, ada, app, codes):
    renewed = await two_factor.renew_codes(stage.panel, ada, app.next(), HERE)
    with pytest.raises(CodeNeeded):
        await finish(stage, await sign_in(stage, ada), codes[0])
    assert await finish(stage, await sign_in(stage, ada), renewed[0])
    with pytest.raises(CodeNeeded):
        await two_factor.renew_codes(stage.panel, ada, "000000", HERE)


async def test_guessing_codes_is_throttled_here_and_everywhere(stage, ada, codes):
    pending = await sign_in(stage, ada)
    for _ in range(MOST_HERE):
        with pytest.raises(CodeNeeded):
            await finish(stage, pending, "000000")
    with pytest.raises(Throttled):
        await finish(stage, pending, codes[0])
    for number in range(MOST_OF_CODES - MOST_HERE):
        with pytest.raises(CodeNeeded):
            await finish(stage, pending, "000000", f"198.51.100.{number}")
    with pytest.raises(Throttled):
        await finish(stage, pending, codes[0], "203.0.113.1")


async def test_a_sign_in_does_not_wait_forever(stage, ada, app, codes):
    pending = await sign_in(stage, ada)
    await execute(stage, "UPDATE paas_pending_sign_ins SET expires_at = now() RETURNING 1")
    for secret in (pending, "none"):
        with pytest.raises(Denied, match="took too long"):
            await finish(stage, secret, codes[0])
    first, second = [await sign_in(stage, ada) for _ in range(2)]
    assert await finish(stage, first, codes[0])
    with pytest.raises(Denied):
        await finish(stage, second, codes[1])
    third = await sign_in(stage, ada)
    await passwords.reset(stage.panel, ada, PASSWORD)
    with pytest.raises(Denied):
        await finish(stage, third, codes[1])


async def test_a_code_turns_it_off(stage, ada, app, codes):
    with pytest.raises(CodeNeeded):
        await two_factor.disable(stage.panel, ada, "000000", HERE)
    await two_factor.disable(stage.panel, ada, app.next(), HERE)
    assert not (await passwords.sign_in(stage.panel, ada.email, PASSWORD, HERE)).needs_code
    assert (await two_factor.show(stage.panel, ada)).codes_left == 0
    for change in (two_factor.disable, two_factor.renew_codes):
        with pytest.raises(Conflict):
            await change(stage.panel, ada, app.next(), HERE)
    async with stage.panel.transaction() as conn:
        actions = [row.action for row in await audit.recent(conn, 9) if row.action.startswith("two_factor")]
    assert actions == ["two_factor.disable", "two_factor.enable"]


async def test_an_administrator_turns_it_off_for_who_lost_all(stage, ada, codes):
    await people.reset(stage.panel, ada, stage.admin)
    assert (await two_factor.show(stage.panel, ada)).is_on
    invitation = await people.reset(stage.panel, ada, stage.admin, second_factors=True)
    begun = await accounts.sign_in_by_link(stage.panel, invitation.link.partition("=")[2], HERE)
    assert not begun.needs_code


async def test_keys_and_tokens_work_as_before(stage, ada, codes):
    token = await accounts.add_token(stage.panel, ada, "for git")
    assert (await accounts.caller(stage.panel, token)).account == ada


@pytest.mark.parametrize("code", ["", "٣٣٣٣٣٣", "0" * 1000, "'; --", "00000a"])
async def test_whatever_is_no_code_is_refused(stage, ada, codes, code):
    with pytest.raises(CodeNeeded):
        await finish(stage, await sign_in(stage, ada), code)
