"""Signing in, by link and by password; and what keeps others from doing it."""

import asyncio
from dataclasses import replace

import pytest
from aiohttp import CookieJar
from aiohttp.test_utils import TestServer
from yarl import URL

from skypanel.domain.errors import Denied, Throttled
from skypanel.domain.password import MOST_HERE, MOST_OF_ACCOUNT, MOST_OF_ADDRESS
from skypanel.domain.routing import Address
from skypanel.flow import accounts, passwords
from skypanel.store import audit
from tests.fixtures.web import HOST, KEEPALIVE_S, ORIGIN, SETTINGS, Client
from web import assets
from web.app import create_app

PASSWORD = "a long enough password"


@pytest.fixture
async def with_password(stage):
    await passwords.reset(stage.panel, stage.admin, PASSWORD)
    return stage.admin


def cookie(response, name="skypanel"):
    return next(line for line in response.headers.getall("Set-Cookie") if line.startswith(f"{name}="))


async def test_who_is_not_signed_in_is_sent_to_do_so_and_back(client, stage, with_password):
    await stage.app("hello")
    response = await client.get("/apps/hello?before=3", allow_redirects=False)
    assert (response.status, response.headers["Location"]) == (303, "/login?next=/apps/hello?before%3D3")
    assert 'name="next" value="/apps/hello?before=3"' in await client.page(response.headers["Location"])
    response = await client.send("/login", email=stage.admin.email, password=PASSWORD, next="/apps/hello?before=3")
    assert (response.status, response.headers["Location"]) == (303, "/apps/hello?before=3")


OTHER_SITES = ["//evil.example", "/\\evil.example", "https://evil.example", "evil", "/\t/evil.example", "javascript:alert(1)"]


@pytest.mark.parametrize("path", OTHER_SITES)
async def test_signing_in_leads_to_no_other_site(client, stage, with_password, path):
    response = await client.send("/login", email=stage.admin.email, password=PASSWORD, next=path)
    assert (response.status, response.headers["Location"]) == (303, "/apps")
    response = await client.get("/login", params={"next": path}, allow_redirects=False)
    assert (response.status, response.headers["Location"]) == (303, "/apps")


async def test_a_link_signs_in_once_and_looking_at_it_does_not_use_it_up(client, stage):
    link = await accounts.login_link(stage.panel, stage.admin)
    token = link.partition("=")[2]
    for _ in range(2):
        assert f'value="{token}"' in await client.page(link)
    response = await client.send("/login", page=link, token=token)
    assert (response.status, response.headers["Location"]) == (303, "/apps")
    for words in ("HttpOnly", "SameSite=Lax", "Path=/"):
        assert words in cookie(response)
    assert "Domain" not in cookie(response)
    assert stage.admin.email in await client.page("/apps")
    again = await client.send("/login", page="/account", token=token)
    assert again.status == 403
    assert "skypanel login-link" in await again.text()


async def test_with_tls_the_cookies_are_ones_that_no_app_can_set(client, stage, with_password):
    tls = {"X-Forwarded-Proto": "https", "Origin": f"https://{HOST}"}
    shown = await client.get("/login", headers=tls)
    visit = cookie(shown, "__Host-skypanel-visit")
    assert "Secure" in visit
    token = (await shown.text()).partition('name="form_token" value="')[2][:64]
    # The client speaks plain HTTP to the panel, as the proxy does, and keeps no secure cookies.
    tls["Cookie"] = visit.partition(";")[0]
    data = {"form_token": token, "email": stage.admin.email, "password": PASSWORD}
    response = await client.post("/login", data=data, headers=tls, allow_redirects=False)
    assert response.status == 303
    assert "Secure" in cookie(response, "__Host-skypanel")


@pytest.fixture
async def far(stage):
    """A client of a panel with a domain of its own."""
    panel = replace(stage.panel, address=Address("apps.example.com", 2222, 8080, 8443))
    async with Client(
        TestServer(create_app(panel, SETTINGS, keepalive_s=KEEPALIVE_S)), headers={"Host": "skypanel.apps.example.com:8080"}
    ) as client:
        yield client


async def test_where_there_is_tls_plain_http_leads_to_it_and_nothing_else(far, stage, with_password):
    session = (await passwords.sign_in(stage.panel, stage.admin.email, PASSWORD, "192.0.2.1")).secret
    for path in ("/", "/login?token=a%2Fb", assets.url("style.css")):
        response = await far.get(URL(path, encoded=True), headers={"Cookie": f"skypanel={session}"}, allow_redirects=False)
        assert (response.status, response.headers["Location"]) == (308, f"https://skypanel.apps.example.com:8443{path}")
    refused = await far.post("/login", data={"email": "a", "password": "b"}, headers={"Origin": "http://skypanel.apps.example.com:8080"})
    assert refused.status == 403
    assert "Open it at https://skypanel.apps.example.com:8443/" in await refused.text()
    assert "Set-Cookie" not in refused.headers


async def test_where_there_is_tls_only_a_cookie_that_no_app_can_set_counts(far, stage, with_password):
    session = (await passwords.sign_in(stage.panel, stage.admin.email, PASSWORD, "192.0.2.1")).secret
    for name, status in (("skypanel", 303), ("__Host-skypanel", 200)):
        headers = {"X-Forwarded-Proto": "https", "Cookie": f"{name}={session}"}
        assert (await far.get("/apps", headers=headers, allow_redirects=False)).status == status


async def test_of_two_cookies_over_plain_http_none_counts(client, stage, with_password):
    accounts_ = (stage.admin, await other(stage))
    ours, anothers = [(await passwords.sign_in(stage.panel, each.email, PASSWORD, "192.0.2.1")).secret for each in accounts_]
    for pair in ((ours, anothers), (anothers, ours), (ours, ours)):
        cookie_header = "; ".join(f"skypanel={each}" for each in pair)
        for path in ("/apps", "/account", "/login"):
            response = await client.get(path, headers={"Cookie": cookie_header}, allow_redirects=False)
            assert response.status == 403
            assert "Clear its cookies for this domain" in await response.text()
    assert (await client.get("/apps", headers={"Cookie": f"skypanel={ours}; other=1"}, allow_redirects=False)).status == 200


async def other(stage):
    account = await stage.outsider()
    await passwords.reset(stage.panel, account, PASSWORD)
    return account


async def test_signing_out_ends_the_session_everywhere(admin, stage):
    [session] = [kept.value for kept in admin.session.cookie_jar if kept.key == "skypanel"]
    assert await accounts.session_account(stage.panel, session)
    assert (await admin.send("/logout", page="/apps")).status == 303
    assert await accounts.session_account(stage.panel, session) is None
    async with stage.panel.transaction() as conn:
        ended, begun = await audit.recent(conn, 2)
    assert (ended.action, begun.action) == ("account.sign_out", "account.sign_in")
    assert (ended.account_id, ended.origin) == (begun.account_id, begun.origin) == (stage.admin.id, "web 127.0.0.1")
    assert (await admin.get("/", allow_redirects=False)).status == 303


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "http://evil.localhost:8080"},
        {"Origin": "null"},
        {"Origin": f"https://{HOST}"},
        {"Origin": "http://evil.localhost:8080", "Sec-Fetch-Site": "same-origin"},
    ],
)
async def test_writes_from_other_sites_are_refused(admin, headers):
    assert (await admin.send("/logout", page="/apps", headers=headers)).status == 403
    await admin.page("/apps")


@pytest.mark.parametrize("headers", [{}, {"Sec-Fetch-Site": "same-site"}])
async def test_a_write_of_unknown_origin_is_refused(admin, headers):
    token = await admin.form_token("/apps")
    assert (await admin.post("/logout", data={"form_token": token}, headers=headers)).status == 403
    await admin.page("/apps")


async def test_a_write_that_a_browser_vouches_for_is_taken_without_an_origin(admin):
    data = {"form_token": await admin.form_token("/apps")}
    response = await admin.post("/logout", data=data, headers={"Sec-Fetch-Site": "same-origin"}, allow_redirects=False)
    assert response.status == 303


@pytest.mark.parametrize("path", ["/login", "/logout", "/account/password", "/apps/hello/rollback"])
async def test_a_form_that_is_not_of_this_session_is_refused(admin, new_client, stage, path):
    await stage.app("hello")
    stranger = await new_client()
    for token in (await stranger.form_token(), "", "0" * 64, "ü"):
        response = await admin.post(path, data={"form_token": token}, headers={"Origin": ORIGIN}, allow_redirects=False)
        assert response.status == 403, path
        assert "Reload the page" in await response.text()
    await admin.page("/apps")


async def test_signing_in_by_password(client, stage, with_password):
    response = await client.send("/login", email=f" {stage.admin.email.upper()} ", password=PASSWORD)
    assert (response.status, response.headers["Location"]) == (303, "/apps")
    assert stage.admin.email in await client.page("/apps")


async def test_a_wrong_password_and_an_unknown_address_get_the_same_answer(client, stage, with_password):
    answers = set()
    for email in (stage.admin.email, (await stage.outsider()).email, "nobody@example.com", "no address", "é@example.com"):
        response = await client.send("/login", email=email, password="not the password")
        assert "skypanel" not in {kept.key for kept in client.session.cookie_jar}
        answers.add((response.status, (await response.text()).replace(email, "")))
    [(status, text)] = answers
    assert status == 403
    assert "The e-mail address or the password is wrong." in text


async def test_guessing_is_throttled_for_that_address_and_account_alone(stage, with_password):
    async def guess(password="wrong", email=stage.admin.email, address="192.0.2.1"):
        return await passwords.sign_in(stage.panel, email, password, address)

    for _ in range(MOST_HERE):
        with pytest.raises(Denied):
            await guess()
    with pytest.raises(Throttled, match="15 minutes"):
        await guess(PASSWORD)
    assert await guess(PASSWORD, address="192.0.2.2")
    # What is unknown is throttled alike: the answer tells nothing.
    for _ in range(MOST_HERE):
        with pytest.raises(Denied):
            await guess(email="nobody@example.com", address="192.0.2.3")
    with pytest.raises(Throttled):
        await guess(email="nobody@example.com", address="192.0.2.3")


async def test_many_guesses_at_once_count_as_many(stage, with_password):
    guesses = [passwords.sign_in(stage.panel, stage.admin.email, "wrong", "192.0.2.1") for _ in range(MOST_HERE * 2)]
    outcomes = await asyncio.gather(*guesses, return_exceptions=True)
    assert sum(isinstance(outcome, Throttled) for outcome in outcomes) == MOST_HERE


async def test_one_address_and_one_account_have_bounds_of_their_own(stage, with_password):
    async def wrong(email, address):
        with pytest.raises(Denied):
            await passwords.sign_in(stage.panel, email, "wrong", address)

    for number in range(MOST_OF_ADDRESS):
        await wrong(f"person{number}@example.com", f"2001:db8::{number:x}")
    with pytest.raises(Throttled):
        await passwords.sign_in(stage.panel, stage.admin.email, PASSWORD, "2001:db8::ffff")
    for number in range(MOST_OF_ACCOUNT):
        await wrong(stage.admin.email, f"198.51.100.{number}")
    with pytest.raises(Throttled):
        await passwords.sign_in(stage.panel, stage.admin.email, PASSWORD, "203.0.113.1")


async def test_a_throttled_browser_is_told_so(client, stage, with_password):
    for _ in range(MOST_HERE):
        assert (await client.send("/login", email=stage.admin.email, password="wrong")).status == 403
    response = await client.send("/login", email=stage.admin.email, password=PASSWORD)
    assert response.status == 429
    assert "Too many sign-in attempts" in await response.text()
    # The proxy's word counts, not the client's.
    response = await client.send("/login", headers={"X-Forwarded-For": "127.0.0.1, 192.0.2.9"}, email=stage.admin.email, password=PASSWORD)
    assert response.status == 303


async def test_behind_a_trusted_proxy_its_visitor_counts(stage, with_password):
    app = create_app(stage.panel, replace(SETTINGS, trusted_proxies=("198.51.100.0/24",)))
    async with Client(TestServer(app), cookie_jar=CookieJar(unsafe=True), headers={"Host": HOST}) as client:
        for _ in range(MOST_HERE):
            said = {"X-Forwarded-For": "10.1.2.3, 198.51.100.9"}
            assert (await client.send("/login", headers=said, email=stage.admin.email, password="wrong")).status == 403
        for visitor, status in (("10.1.2.3", 429), ("10.1.2.4", 303)):
            said = {"X-Forwarded-For": f"{visitor}, 198.51.100.9"}
            assert (await client.send("/login", headers=said, email=stage.admin.email, password=PASSWORD)).status == status


async def test_the_admin_sets_a_password_and_other_browsers_are_signed_out(admin, new_client, stage):
    other = await new_client()
    await other.sign_in(stage.admin)
    assert "Set a password" in await admin.page("/account")
    response = await admin.send("/account/password", page="/account", new=PASSWORD, again=PASSWORD)
    assert (response.status, response.headers["Location"]) == (303, "/account")
    assert "The password is set." in await admin.page("/account")
    assert "Current password" in await admin.page("/account")
    assert (await other.get("/", allow_redirects=False)).status == 303
    assert (await other.send("/login", email=stage.admin.email, password=PASSWORD)).status == 303


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"new": "short", "again": "short"}, "fewer than 12 characters"),
        ({"new": "x" * 1025, "again": "x" * 1025}, "more than 1024 bytes"),
        ({"new": PASSWORD, "again": PASSWORD + "!"}, "do not match"),
        ({}, "fewer than 12 characters"),
        ({"new": PASSWORD, "again": PASSWORD, "current": "wrong"}, "This is not your current password."),
    ],
)
async def test_a_password_that_cannot_be_set_changes_nothing(admin, stage, with_password, fields, words):
    await admin.sign_in(stage.admin)
    response = await admin.send("/account/password", page="/account", **({"current": PASSWORD} | fields))
    assert response.status == 422
    assert words in await response.text()
    assert PASSWORD not in await response.text()
    assert await passwords.sign_in(stage.panel, stage.admin.email, PASSWORD, "192.0.2.1")


async def test_only_a_hash_is_kept(stage, with_password, postgres, dsn):
    dump = await asyncio.to_thread(postgres.dump, dsn)
    assert PASSWORD.encode() not in dump
    assert b"$argon2id$" in dump


async def newest(stage, count):
    async with stage.panel.transaction() as conn:
        return [(row.action, row.email, row.origin, row.details) for row in await audit.recent(conn, count)]


async def test_failed_sign_ins_and_the_lock_after_them_are_on_record(client, stage, with_password):
    for _ in range(MOST_HERE):
        assert (await client.send("/login", email=stage.admin.email, password="hunter2")).status == 403
    assert (await client.send("/login", email=stage.admin.email, password=PASSWORD)).status == 429
    whose = {"account": stage.admin.email}
    failed = ("account.sign_in_failed", None, "web 127.0.0.1", whose)
    assert await newest(stage, MOST_HERE + 1) == [("account.lock", None, "web 127.0.0.1", {"minutes": 15} | whose), *[failed] * MOST_HERE]


async def test_what_was_typed_in_for_an_address_is_on_no_record(client, stage):
    await client.send("/login", email="a password typed too early", password="hunter2")
    assert await newest(stage, 1) == [("account.sign_in_failed", None, "web 127.0.0.1", {})]


async def test_links_that_are_not_good_are_on_record_as_often_as_an_address_may_try(client, stage):
    token = await client.form_token()
    for _ in range(MOST_OF_ADDRESS + 3):
        response = await client.post("/login", data={"form_token": token, "token": "wrong"}, headers={"Origin": ORIGIN})
        assert response.status == 403
    rows = [row for row in await newest(stage, MOST_OF_ADDRESS + 5) if row[0] == "account.sign_in_failed"]
    assert rows == [("account.sign_in_failed", None, "web 127.0.0.1", {"means": "a link"})] * MOST_OF_ADDRESS
    # Who was sent a good one still gets in.
    assert (await client.sign_in(stage.admin)).status == 303
