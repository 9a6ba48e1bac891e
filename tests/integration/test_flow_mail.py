"""Mails that wait, forgotten passwords, invitations and new addresses, on a real database."""

import pytest
from sqlalchemy import text

from skypanel.domain.access import Role
from skypanel.domain.errors import Conflict, Denied, Invalid, NotFound, Throttled, Unavailable
from skypanel.domain.password import MOST_OF_ADDRESS
from skypanel.flow import accounts, address, collaborators, forgotten, mail, organizations, passwords, people, secrets, settings
from skypanel.flow.mail import PAUSES
from skypanel.store import accounts as stored_accounts
from skypanel.store import audit
from workers.jobs import JOBS

PASSWORD = "correct horse battery staple"
NEW = "another good password"
HERE = "192.0.2.1"
MAIL = {"smtp_host": "smtp.example.com", "mail_sender": "skypanel@example.com"}


@pytest.fixture
def mailer(stage):
    return stage.panel.mailer


@pytest.fixture
async def with_mail(stage):
    await settings.change(stage.panel, stage.admin, MAIL)


@pytest.fixture
async def ada(stage):
    """Somebody with a password."""
    invited = await people.invite(stage.panel, "ada@example.com", stage.admin)
    await passwords.reset(stage.panel, invited.account, PASSWORD)
    return invited.account


async def deliver(stage):
    rounds = iter(range(20))
    await mail.deliver(stage.panel, lambda: next(rounds, None) is None)


async def execute(stage, statement):
    async with stage.panel.transaction() as conn:
        return await conn.execute(text(statement))


async def waiting(stage):
    async with stage.panel.transaction() as conn:
        return (await conn.first(text("SELECT count(*) AS count FROM paas_mails"))).count


def token(link):
    return link.partition("token=")[2]


async def test_an_administrator_tries_whether_mail_works(stage, mailer, ada):
    with pytest.raises(Unavailable, match="sends no mail"):
        await mail.try_out(stage.panel, stage.admin)
    await settings.change(stage.panel, stage.admin, MAIL)
    await mail.try_out(stage.panel, stage.admin)
    assert mailer.sent[-1].to == stage.admin.email
    mailer.broken = True
    with pytest.raises(Unavailable, match=r"smtp\.example\.com:587"):
        await mail.try_out(stage.panel, stage.admin)
    with pytest.raises(Denied):
        await mail.try_out(stage.panel, ada)


async def test_a_forgotten_password_is_set_anew_once(stage, mailer, with_mail, ada):
    session = (await passwords.sign_in(stage.panel, ada.email, PASSWORD, HERE)).secret
    await forgotten.request(stage.panel, f" {ada.email.upper()} ", HERE)
    assert mailer.sent[1:] == []
    await deliver(stage)
    assert mailer.sent[-1].to == ada.email
    secret = token(mailer.link("/login/reset?"))
    assert secret not in repr(mailer.sent[-1])
    with pytest.raises(Invalid):
        await forgotten.reset(stage.panel, secret, "short")
    await forgotten.reset(stage.panel, secret, NEW)
    assert await accounts.session_account(stage.panel, session) is None
    assert await passwords.sign_in(stage.panel, ada.email, NEW, HERE)
    with pytest.raises(Denied, match="already been used"):
        await forgotten.reset(stage.panel, secret, PASSWORD)
    async with stage.panel.transaction() as conn:
        actions = [row.action for row in await audit.recent(conn, 4)]
    assert actions == ["account.sign_in", "account.set_password", "account.forget_password", "account.sign_in"]


async def test_a_worker_sends_what_waits(stage, mailer, with_mail, ada):
    for _ in range(2):
        await forgotten.request(stage.panel, ada.email, HERE)
    await JOBS["send_mails"](stage.panel, "a worker")
    assert ([mail.to for mail in mailer.sent[-2:]], await waiting(stage)) == ([ada.email] * 2, 0)


async def test_a_link_that_sets_a_password_expires(stage, mailer, with_mail, ada):
    await forgotten.request(stage.panel, ada.email, HERE)
    await deliver(stage)
    await execute(stage, "UPDATE paas_reset_links SET expires_at = now()")
    with pytest.raises(Denied):
        await forgotten.reset(stage.panel, token(mailer.link("/login/reset?")), NEW)


async def test_nobody_learns_whether_an_address_has_an_account(stage, with_mail, ada):
    await forgotten.request(stage.panel, "nobody@example.com", HERE)
    await forgotten.request(stage.panel, "no address", HERE)
    await people.disable(stage.panel, ada, stage.admin)
    await forgotten.request(stage.panel, ada.email, HERE)
    assert await waiting(stage) == 0


async def test_one_account_gets_few_mails_and_one_address_asks_for_few(stage, with_mail, ada):
    for number in range(8):
        await forgotten.request(stage.panel, ada.email, f"198.51.100.{number}")
    assert await waiting(stage) == 5
    for number in range(MOST_OF_ADDRESS):
        await forgotten.request(stage.panel, f"person{number}@example.com", HERE)
    with pytest.raises(Throttled):
        await forgotten.request(stage.panel, "one@example.com", HERE)
    # That keeps nobody from signing in.
    assert await passwords.sign_in(stage.panel, ada.email, PASSWORD, HERE)


async def test_a_mail_that_fails_is_tried_again_for_hours(stage, mailer, with_mail, ada):
    await forgotten.request(stage.panel, ada.email, HERE)
    mailer.broken = True
    before = len(mailer.sent)
    for _ in range(len(PAUSES) - 1):
        await deliver(stage)
        await deliver(stage)
        await execute(stage, "UPDATE paas_mails SET due_at = now()")
    assert await waiting(stage) == 1
    mailer.broken = False
    await deliver(stage)
    assert (len(mailer.sent), await waiting(stage)) == (before + 1, 0)


async def test_a_mail_that_nobody_takes_is_dropped_at_last(stage, mailer, with_mail, ada):
    await forgotten.request(stage.panel, ada.email, HERE)
    mailer.broken = True
    for _ in range(len(PAUSES) + 1):
        await deliver(stage)
        await execute(stage, "UPDATE paas_mails SET due_at = now()")
    assert await waiting(stage) == 0


async def test_mails_that_wait_are_encrypted_and_outlive_a_new_key(stage, mailer, with_mail, ada):
    await forgotten.request(stage.panel, ada.email, HERE)
    async with stage.panel.transaction() as conn:
        assert b"reset" not in bytes((await conn.first(text("SELECT secret FROM paas_mails"))).secret)
    stage.panel.cipher.keys.insert(0, 2)
    await secrets.reencrypt(stage.panel)
    stage.panel.cipher.keys.remove(1)
    await deliver(stage)
    assert mailer.link("/login/reset?")


async def test_an_invitation_is_mailed_and_good_without_the_mail(stage, mailer, with_mail):
    invited = await people.invite(stage.panel, "ada@example.com", stage.admin)
    assert (invited.is_mailed, invited.mail_note) == (True, "The link was mailed to ada@example.com.")
    assert mailer.link("/login?") == invited.link
    mailer.broken = True
    again = await people.invite(stage.panel, "ada@example.com", stage.admin)
    assert not again.is_mailed
    assert "could not be sent" in again.mail_note
    assert await accounts.sign_in_by_link(stage.panel, token(again.link), HERE)


async def test_without_mail_an_invitation_has_only_its_link(stage, mailer):
    invited = await people.invite(stage.panel, "ada@example.com", stage.admin)
    assert (invited.is_mailed, invited.mail_note, mailer.sent) == (False, "", [])


@pytest.fixture
async def acme(stage, main):
    """An organization whose owner does not run the panel, and the owner."""
    owner = await stage.member(Role.OWNER)
    return main, owner


async def test_an_owner_has_a_lost_invitation_mailed_again_but_does_not_see_it(stage, mailer, acme, with_mail):
    acme, owner = acme
    first = await organizations.add_member(stage.panel, acme, "ada@example.com", Role.DEVELOPER, stage.admin)
    again = await organizations.invite_again(stage.panel, acme, "ada@example.com", owner)
    assert (again.link, again.is_mailed) == (None, True)
    with pytest.raises(Denied):
        await accounts.sign_in_by_link(stage.panel, token(first.link), HERE)
    assert await accounts.sign_in_by_link(stage.panel, token(mailer.link("/login?")), HERE)
    with pytest.raises(Conflict, match="has signed in before"):
        await organizations.invite_again(stage.panel, acme, "ada@example.com", owner)
    mailer.broken = True
    await organizations.add_member(stage.panel, acme, "eve@example.com", Role.DEVELOPER, stage.admin)
    with pytest.raises(Unavailable):
        await organizations.invite_again(stage.panel, acme, "eve@example.com", owner)
    assert (await organizations.invite_again(stage.panel, acme, "eve@example.com", stage.admin)).link


async def test_who_may_have_invitations_sent_again(stage, acme):
    acme, owner = acme
    await organizations.add_member(stage.panel, acme, "ada@example.com", Role.OWNER, stage.admin)
    with pytest.raises(Denied, match="sends no mail"):
        await organizations.invite_again(stage.panel, acme, "ada@example.com", owner)
    viewer = await stage.member(Role.VIEWER)
    with pytest.raises(Denied):
        await organizations.invite_again(stage.panel, acme, "ada@example.com", viewer)
    with pytest.raises(NotFound):
        await organizations.invite_again(stage.panel, acme, "nobody@example.com", owner)
    async with stage.panel.transaction() as conn:
        assert "account.invite" not in {entry.action for entry in await audit.recent(conn, 10)}


async def test_a_collaborators_invitation_is_mailed_again(stage, mailer, with_mail):
    app = await stage.app()
    await collaborators.add(stage.panel, app, "ada@example.com", Role.VIEWER, stage.admin)
    again = await collaborators.invite_again(stage.panel, app, "ada@example.com", stage.admin)
    assert mailer.link("/login?") == again.link
    await stage.outsider()
    with pytest.raises(NotFound):
        await collaborators.invite_again(stage.panel, app, "outsider@example.com", stage.admin)


async def known(stage, email):
    async with stage.panel.transaction() as conn:
        return await stored_accounts.by_email(conn, email)


async def test_a_new_address_counts_once_a_mail_to_it_was_read(stage, mailer, with_mail, ada):
    assert not await address.change(stage.panel, ada, "Countess@Example.com", PASSWORD, HERE)
    assert mailer.sent[-1].to == "countess@example.com"
    link = mailer.link("/account/email?")
    assert await known(stage, ada.email) == ada
    with pytest.raises(Denied):
        await address.confirm(stage.panel, stage.admin, token(link))
    assert await address.confirm(stage.panel, ada, token(link)) is None
    assert (await known(stage, "countess@example.com")).id == ada.id
    assert (mailer.sent[-1].to, await known(stage, ada.email)) == (ada.email, None)
    with pytest.raises(Denied):
        await address.confirm(stage.panel, ada, token(link))


async def test_without_mail_the_password_is_enough_for_a_new_address(stage, ada):
    with pytest.raises(Denied, match="not your current password"):
        await address.change(stage.panel, ada, "countess@example.com", "wrong", HERE)
    with pytest.raises(Conflict):
        await address.change(stage.panel, ada, stage.admin.email, PASSWORD, HERE)
    with pytest.raises(Conflict, match="already"):
        await address.change(stage.panel, ada, ada.email, PASSWORD, HERE)
    assert await address.change(stage.panel, ada, "countess@example.com", PASSWORD, HERE)
    assert (await known(stage, "countess@example.com")).id == ada.id
    with pytest.raises(Denied, match="Set a password first"):
        await address.change(stage.panel, stage.admin, "root@example.com", "", HERE)


async def test_an_address_that_another_account_has_is_answered_like_any_other(stage, mailer, with_mail, ada):
    assert not await address.change(stage.panel, ada, stage.admin.email, PASSWORD, HERE)
    assert mailer.sent[-1].to == stage.admin.email
    assert "token=" not in mailer.sent[-1].text
    mailer.broken = True
    with pytest.raises(Unavailable):
        await address.change(stage.panel, ada, "countess@example.com", PASSWORD, HERE)


async def test_a_new_address_that_was_taken_meanwhile_is_refused(stage, mailer, with_mail, ada):
    await address.change(stage.panel, ada, "countess@example.com", PASSWORD, HERE)
    link = mailer.link("/account/email?")
    await people.invite(stage.panel, "countess@example.com", stage.admin)
    with pytest.raises(Conflict):
        await address.confirm(stage.panel, ada, token(link))
