"""The account's pages: keys, tokens, sessions, security, the address, and the first steps of a new account."""

import asyncio
import re

import pyotp
import pytest
from aiohttp import encode_basic_auth
from sqlalchemy import text as sql

from skypanel.domain.access import Role
from skypanel.flow import accounts, mail, passkeys, passwords, sessions, settings, two_factor
from tests.fixtures.web import ORIGIN
from tests.support.authenticator import Authenticator
from tests.unit.test_session import FIREFOX

PASSWORD = "correct horse battery staple"
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ7jEpZ7X4oCzGJq0cVhBqmCuTiMLTcHdWHJ0ipRGGGg <script>alert(1)</script>"
MAIL = {"smtp_host": "smtp.example.com", "mail_sender": "skypanel@example.com"}


def cookie(client, name):
    return next((kept.value for kept in client.session.cookie_jar if kept.key == name), None)


async def text(response):
    return re.sub(r"\s+", " ", await response.text())


async def told(client, response):
    """Follow a form's redirect and return the page that says how it went."""
    assert response.status == 303, await response.text()
    return await client.page(response.headers["Location"])


@pytest.mark.parametrize("path", ["/account", "/account/keys", "/account/tokens", "/account/security", "/account/sessions", "/welcome"])
async def test_pages_of_the_account_are_for_who_is_signed_in_and_lead_back(client, stage, path):
    response = await client.get(path, allow_redirects=False)
    assert (response.status, response.headers["Location"]) == (303, f"/login?next={path}")
    token = (await accounts.login_link(stage.panel, stage.admin)).partition("=")[2]
    response = await client.send("/login", token=token, next=path)
    assert response.headers["Location"] == path
    shown = await client.page(path)
    assert "style=" not in shown
    assert "onclick" not in shown


async def test_keys_are_added_listed_and_removed(admin, stage):
    assert "No SSH keys" in await admin.page("/account/keys")
    page = await told(admin, await admin.send("/account/keys", page="/account/keys", public_key=f" {KEY}\n"))
    assert "<script>alert" not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    [key] = await accounts.keys_of(stage.panel, stage.admin)
    assert key.fingerprint in page
    assert "never" in page
    await accounts.pusher(stage.panel, key.fingerprint)
    assert "never" not in await admin.page("/account/keys")
    for words in ("it can no longer push", "removed before"):
        assert words in await told(admin, await admin.send("/account/keys/remove", page="/account/keys", fingerprint=key.fingerprint))
    assert await accounts.keys_of(stage.panel, stage.admin) == []


@pytest.mark.parametrize("typed", ["", "no key", "ssh-ed25519 AAAA", "x" * 20_000, "-----BEGIN OPENSSH PRIVATE KEY-----"])
async def test_what_is_no_key_is_refused_with_what_to_do(admin, stage, typed):
    response = await admin.send("/account/keys", page="/account/keys", public_key=typed)
    assert response.status == 422
    assert 'role="alert"' in await response.text()
    assert await accounts.keys_of(stage.panel, stage.admin) == []


async def test_a_token_is_shown_once_and_revoked(admin, stage):
    response = await admin.send("/account/tokens", page="/account/tokens", description="<b>CI</b>", scope="read", days="30")
    shown = await text(response)
    secret = re.search(r"<pre tabindex=\"0\">([\w-]{40,})</pre>", shown)[1]
    assert response.headers["Cache-Control"] == "no-store"
    caller = await accounts.caller(stage.panel, secret)
    assert (caller.account, caller.scope) == (stage.admin, "read")
    page = await admin.page("/account/tokens")
    assert secret not in page
    assert "&lt;b&gt;CI&lt;/b&gt;" in page
    token = next(each for each in await accounts.tokens_of(stage.panel, stage.admin) if each.scope == "read")
    assert (token.expires_at - token.created_at).days in {29, 30}
    assert "works no more" in await told(admin, await admin.send("/account/tokens/revoke", page="/account/tokens", id=str(token.id)))
    assert await accounts.caller(stage.panel, secret) is None
    assert "revoked before" in await told(admin, await admin.send("/account/tokens/revoke", page="/account/tokens", id=str(token.id)))


@pytest.mark.parametrize(
    "fields",
    [
        {"description": " ", "scope": "read", "days": ""},
        {"description": "x" * 201, "scope": "read", "days": ""},
        {"description": "CI", "scope": "all", "days": ""},
        {"description": "CI", "scope": "read", "days": "31"},
        {"description": "CI"},
    ],
)
async def test_a_token_that_makes_no_sense_is_refused(admin, stage, fields):
    response = await admin.send("/account/tokens", page="/account/tokens", **fields)
    assert response.status == 422
    assert 'role="alert"' in await response.text()
    assert len(await accounts.tokens_of(stage.panel, stage.admin)) == 1


@pytest.mark.parametrize(
    ("path", "page", "fields"),
    [
        ("/account/tokens/revoke", "/account/tokens", {"id": "no id"}),
        ("/account/passkeys/remove", "/account/security", {"id": "no id"}),
        ("/account/sessions/end", "/account/sessions", {"session": "no id"}),
        ("/account/security", "/account/security", {"do": "something"}),
    ],
)
async def test_what_names_nothing_is_refused(admin, path, page, fields):
    response = await admin.send(path, page=page, **fields)
    assert response.status == 422
    assert "Choose" in await response.text()


async def test_the_sessions_of_other_browsers_are_ended(admin, new_client, stage):
    one, two = [await new_client() for _ in range(2)]
    for client in (one, two):
        await client.sign_in(stage.admin, **{"User-Agent": f"<script>{FIREFOX}"})
    page = await admin.page("/account/sessions")
    assert page.count("Firefox on Linux") == 4
    assert page.count("this browser") == 1
    assert "<script>Mozilla" not in page
    target = next(each for each in await sessions.of(stage.panel, stage.admin, cookie(one, "skypanel")) if each.is_this)
    page = await told(admin, await admin.send("/account/sessions/end", page="/account/sessions", session=str(target.id)))
    assert "The browser is signed out." in page
    assert (await one.get("/account", allow_redirects=False)).status == 303
    await two.page("/account")
    page = await told(admin, await admin.send("/account/sessions/end", page="/account/sessions", session="others"))
    assert "1 other browser is signed out." in page
    assert (await two.get("/account", allow_redirects=False)).status == 303
    await admin.page("/account")


# Each adds sixty.
MANY = {
    "/account/keys": """
        INSERT INTO paas_ssh_keys (account_id, fingerprint, public_key, name)
        SELECT id, 'SHA256:' || n, 'ssh-ed25519 AAAA', 'key ' || n FROM paas_accounts, generate_series(1, 60) n WHERE is_admin
    """,
    "/account/tokens": """
        INSERT INTO paas_tokens (account_id, digest, description, scope)
        SELECT id, md5(n::text) || md5(n::text), 'token ' || n, 'read' FROM paas_accounts, generate_series(1, 60) n WHERE is_admin
    """,
    "/account/sessions": """
        INSERT INTO paas_sessions (account_id, digest, expires_at)
        SELECT id, md5(n::text) || md5(n::text), now() + interval '1 day' FROM paas_accounts, generate_series(1, 60) n WHERE is_admin
    """,
}


@pytest.mark.parametrize("path", MANY)
async def test_long_lists_have_pages(admin, stage, path):
    before = (await admin.page(path)).count('<td class="act">')
    async with stage.panel.transaction() as conn:
        await conn.execute(sql(MANY[path]))
    page = await admin.page(path)
    assert page.count('<td class="act">') == 50
    assert 'rel="prev"' not in page
    rest = await admin.page(re.search(r'href="([^"]+)" rel="next"', page)[1])
    assert rest.count('<td class="act">') == 10 + before
    assert f'href="{path}?page=1" rel="prev"' in rest
    assert 'rel="next"' not in rest


async def set_up(client, panel, account):
    """Turn two-factor sign-in on in the browser; return the app, and the recovery codes."""
    await told(client, await client.send("/account/security", page="/account/security", do="begin"))
    secret = (await two_factor.setup(panel, account)).secret
    assert secret in await client.page("/account/security")
    totp = pyotp.TOTP(secret)
    response = await client.send("/account/security", page="/account/security", do="confirm", code=totp.at(panel.clock.now()))
    shown = await response.text()
    assert "not shown again" in shown
    return totp, re.search(r"<pre tabindex=\"0\">([a-z2-7\n-]+)</pre>", shown)[1].split()


async def test_two_factor_sign_in_is_set_up_and_asked_for(admin, new_client, stage):
    await passwords.reset(stage.panel, stage.admin, PASSWORD)
    await admin.sign_in(stage.admin)
    assert (await admin.get("/account/security/code.svg")).status == 404
    await admin.send("/account/security", page="/account/security", do="begin")
    image = await admin.get("/account/security/code.svg")
    assert (image.content_type, image.headers["Cache-Control"]) == ("image/svg+xml", "no-store")
    assert (await image.text()).startswith("<?xml")
    assert "style=" not in await image.text()
    totp, codes = await set_up(admin, stage.panel, stage.admin)
    page = await admin.page("/account/security")
    assert totp.secret not in page
    assert codes[0] not in page
    assert (await admin.get("/account/security/code.svg")).status == 404

    other = await new_client()
    response = await other.send("/login", email=stage.admin.email, password=PASSWORD, next="/account/keys")
    assert response.headers["Location"] == "/login/code?next=/account/keys"
    assert cookie(other, "skypanel") is None
    assert (await other.get("/account", allow_redirects=False)).headers["Location"] == "/login?next=/account"
    wrong = await other.send("/login/code", page="/login/code", code="000000")
    assert wrong.status == 403
    assert "wrong, or was used already" in await wrong.text()
    stage.panel.clock.advance(30)
    response = await other.send("/login/code", page="/login/code", code=totp.at(stage.panel.clock.now()), next="/account/keys")
    assert (response.status, response.headers["Location"]) == (303, "/account/keys")
    await other.page("/account/keys")
    assert cookie(other, "skypanel-pending") in {None, ""}

    third = await new_client()
    assert (await third.sign_in(stage.admin)).headers["Location"].startswith("/login/code")
    assert (await third.send("/login/code", page="/login/code", code=codes[0])).status == 303
    await third.page("/account")


async def test_codes_are_asked_for_only_after_a_first_factor(client):
    assert (await client.get("/login/code?next=/apps", allow_redirects=False)).headers["Location"] == "/login?next=/apps"
    response = await client.send("/login/code", code="000000")
    assert response.status == 403
    assert "Sign in again." in await response.text()


async def test_recovery_codes_are_renewed_and_it_is_turned_off(admin, stage):
    _, codes = await set_up(admin, stage.panel, stage.admin)
    wrong = await admin.send("/account/security", page="/account/security", do="disable", code="000000")
    assert wrong.status == 422
    renewed = await text(await admin.send("/account/security", page="/account/security", do="codes", code=codes[0]))
    assert codes[1] not in renewed
    fresh = re.search(r"<pre tabindex=\"0\">([a-z2-7 -]+)</pre>", renewed)[1].split()
    page = await told(admin, await admin.send("/account/security", page="/account/security", do="disable", code=fresh[0]))
    assert "Two-factor sign-in is off." in page


async def question(client, path, page):
    """Ask what a passkey is to answer, as the script does."""
    response = await client.send(path, page=page)
    assert response.status == 200, await response.text()
    return await response.json()


async def test_a_passkey_is_added_and_signs_in(admin, new_client, stage):
    phone = Authenticator(ORIGIN)
    asked = await question(admin, "/account/passkeys/question", "/account/security")
    fields = {"name": "<i>phone</i>", "challenge": asked["challenge"], "answer": phone.create(asked["options"])}
    page = await told(admin, await admin.send("/account/passkeys", page="/account/security", **fields))
    assert "&lt;i&gt;phone&lt;/i&gt;" in page
    assert (await admin.send("/account/passkeys", page="/account/security", **fields)).status == 422

    other = await new_client()
    asked = await question(other, "/login/passkey/question", "/login")
    fields = {"challenge": asked["challenge"], "answer": phone.get(asked["options"]), "next": "/account/security"}
    response = await other.send("/login/passkey", **fields)
    assert (response.status, response.headers["Location"]) == (303, "/account/security")
    await other.page("/account/security")
    third = await new_client()
    refused = await third.send("/login/passkey", **fields)
    assert refused.status == 403
    assert cookie(third, "skypanel") is None

    [passkey] = await passkeys.of(stage.panel, stage.admin)
    page = await told(admin, await admin.send("/account/passkeys/remove", page="/account/security", id=str(passkey.id)))
    assert "The passkey is removed" in page


async def test_a_passkeys_script_finds_what_it_needs(admin, new_client):
    signed_out = await new_client()
    assert 'data-passkey="/login/passkey/question" data-ask="get" hidden' in await signed_out.page("/login")
    page = await admin.page("/account/security")
    assert 'data-passkey="/account/passkeys/question" data-ask="create" hidden' in page
    assert "/passkeys.js" in page


async def test_an_address_changes_by_mail_or_else_by_password(admin, stage):
    assert "Set a password first" in await admin.page("/account")
    await passwords.reset(stage.panel, stage.admin, PASSWORD)
    await admin.sign_in(stage.admin)
    wrong = await admin.send("/account/email", page="/account", email="root@example.com", current="wrong")
    assert wrong.status == 422
    assert "not your current password" in await wrong.text()
    page = await told(admin, await admin.send("/account/email", page="/account", email="root@example.com", current=PASSWORD))
    assert "The address is changed." in page
    assert "root@example.com" in page
    await settings.change(stage.panel, stage.admin, MAIL)
    page = await told(admin, await admin.send("/account/email", page="/account", email="new@example.com", current=PASSWORD))
    assert "Open the link in the mail to new@example.com" in page
    link = stage.panel.mailer.link("/account/email?")
    assert "Confirm" in await admin.page(link)
    assert "root@example.com" in await admin.page("/account")
    response = await admin.send("/account/email/confirm", page=link, token=link.partition("token=")[2])
    assert "new@example.com" in await told(admin, response)
    again = await admin.send("/account/email/confirm", page=link, token=link.partition("token=")[2])
    assert again.status == 422


async def test_a_mail_that_fails_is_said_and_changes_nothing(admin, stage):
    await settings.change(stage.panel, stage.admin, MAIL)
    stage.panel.mailer.broken = True
    response = await admin.send("/account/email", page="/account", email="root@example.com")
    assert response.status == 422
    assert "could not be sent" in await response.text()
    assert stage.admin.email in await admin.page("/account")


async def test_a_forgotten_password_is_set_by_mail(client, stage):
    assert "sends no mail" in await client.page("/login/forgotten")
    await settings.change(stage.panel, stage.admin, MAIL)
    answers = set()
    for email in (stage.admin.email, "nobody@example.com", "no address"):
        response = await client.send("/login/forgotten", page="/login/forgotten", email=email)
        answers.add((response.status, (await response.text()).replace(email, "")))
    assert len(answers) == 1
    await mail.deliver(stage.panel, lambda: bool(stage.panel.mailer.sent))
    link = stage.panel.mailer.link("/login/reset?")
    token = link.partition("token=")[2]
    assert token in await client.page(link)
    for new, again, words in (("short", "short", "fewer than 12"), (PASSWORD, "other", "do not match")):
        response = await client.send("/login/reset", page=link, token=token, new=new, again=again)
        assert response.status == 422
        assert words in await response.text()
    response = await client.send("/login/reset", page=link, token=token, new=PASSWORD, again=PASSWORD)
    assert "The password is set" in await response.text()
    assert (await client.send("/login", email=stage.admin.email, password=PASSWORD)).status == 303
    used = await client.send("/login/reset", page="/account", token=token, new=PASSWORD, again=PASSWORD)
    assert used.status == 422
    assert "already been used" in await used.text()


async def test_a_new_account_is_welcomed_with_its_first_steps(client, stage):
    member = await stage.member(Role.DEVELOPER)
    assert (await client.sign_in(member)).headers["Location"] == "/welcome"
    page = await client.page("/welcome")
    assert page.count("to do") == 3
    assert "git push skypanel main" in page
    response = await client.send("/account/keys", page="/welcome", public_key=KEY, next="/welcome")
    assert response.headers["Location"] == "/welcome"
    page = await client.page("/welcome")
    assert (page.count("to do"), page.count(">done<")) == (2, 1)
    app = await stage.app()
    [events] = re.findall(r'data-events="([^"]+)"', await client.page("/welcome"))
    stream = await client.get(events, headers={"Origin": ORIGIN})
    await stage.push(app)
    # The page follows by itself.
    async with asyncio.timeout(60):
        while b"event: changed" not in await stream.content.readline():
            pass
    assert "hello is being deployed" in await client.page("/welcome")
    await stage.work()
    page = await client.page("/welcome")
    assert (page.count("to do"), page.count(">done<")) == (0, 3)
    assert "hello is live at" in page
    assert (await client.sign_in(member)).headers["Location"] == "/apps"


async def test_a_second_factor_is_asked_for_at_the_api_too(client, stage):
    await passwords.reset(stage.panel, stage.admin, PASSWORD)
    await two_factor.begin(stage.panel, stage.admin)
    totp = pyotp.TOTP((await two_factor.setup(stage.panel, stage.admin)).secret)
    [code, *_] = await two_factor.confirm(stage.panel, stage.admin, totp.at(stage.panel.clock.now()), "192.0.2.1")

    async def authorize(**headers):
        auth = encode_basic_auth(stage.admin.email, PASSWORD)
        headers = {"Authorization": auth, "Host": "localhost:8080", "Accept": "application/vnd.heroku+json; version=3"} | headers
        response = await client.post("/oauth/authorizations", json={}, headers=headers)
        return response.status, await response.json()

    for headers in ({}, {"Heroku-Two-Factor-Code": "000000"}):
        status, body = await authorize(**headers)
        assert (status, body["id"]) == (403, "two_factor")
    status, body = await authorize(**{"Heroku-Two-Factor-Code": code})
    assert status == 201
    headers = {"Authorization": f"Bearer {body['access_token']['token']}", "Host": "localhost:8080"}
    headers["Accept"] = "application/vnd.heroku+json; version=3"
    assert (await (await client.get("/account", headers=headers)).json())["two_factor_authentication"]
