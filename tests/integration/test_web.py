import json
import logging
import re
from ipaddress import IPv4Network
from pathlib import Path

import pytest
from aiohttp import CookieJar
from aiohttp.test_utils import TestClient, TestServer

from skypanel.domain.errors import Conflict, Denied, Invalid, NotFound, Unavailable
from skypanel.domain.manifest import Dyno, DynoKey, DynoState
from skypanel.domain.release import ReleaseState
from skypanel.domain.routing import PROXY_TOKEN_HEADER, Address
from skypanel.flow import accounts
from skypanel.ports import Panel
from skypanel.settings import Settings
from skypanel.store import apps, routes
from tests import factories
from tests.fakes import FakeCipher, FakeClock, FakeLogs, FakeObjects, FakeOutput, FakeQueue, FakeRouter
from web.app import create_app

ADDRESS = Address("localhost", 2222, 8080, 8443)
HOST = "skypanel.localhost:8080"
ORIGIN = f"http://{HOST}"
TOKEN = "the-proxys-token"


class Dynos:
    """A scheduler that is asked for nothing but its dynos."""

    def __init__(self):
        self.all = []

    async def dynos(self, app_id=None):
        return self.all


@pytest.fixture
def dynos():
    return Dynos()


@pytest.fixture
def panel(database, dynos):
    return Panel(
        address=ADDRESS, database=database, scheduler=dynos, builder=None, router=FakeRouter(), objects=FakeObjects(), output=FakeOutput(),
        queue=FakeQueue(), logs=FakeLogs(), cipher=FakeCipher(), repositories=None, clock=FakeClock(factories.later()),
    )  # fmt: skip


@pytest.fixture
def fault():
    """Errors that the path /raising raises."""
    return []


@pytest.fixture
def app(panel, fault):
    async def raising(request):
        raise fault[0]

    settings = Settings(
        home=Path("/home"), run_dir=Path("/run"), address=ADDRESS, web_port=7000, traefik_port=7001, git_port=7002, uid_base=1,
        subnet=IPv4Network("10.9.64.0/18"), allow=(), panel_uid=0, panel_gid=0, database_password="", valkey_password="",
        traefik_token=TOKEN,
    )  # fmt: skip
    app = create_app(panel, settings)
    app.router.add_get("/raising", raising)
    return app


@pytest.fixture
async def client(app):
    async with TestClient(TestServer(app), cookie_jar=CookieJar(unsafe=True), headers={"Host": HOST}) as client:
        yield client


@pytest.fixture
async def account(panel):
    async with panel.transaction() as conn:
        return await factories.account(conn, "admin@example.com")


@pytest.fixture
async def owned(panel, account):
    """An app of the account's."""
    async with panel.transaction() as conn:
        return await factories.app(conn, "hello", owner=await factories.organization(conn, account))


@pytest.fixture
async def link(panel, account, owned):
    return await accounts.login_link(panel, account)


async def sign_in(client, link, **headers):
    return await client.post("/login", data={"token": link.partition("=")[2]}, headers={"Origin": ORIGIN} | headers, allow_redirects=False)


async def text(response):
    return re.sub(r"\s+", " ", await response.text())


async def test_health_is_answered_on_any_host(client):
    response = await client.get("/internal/health", headers={"Host": "127.0.0.1:7000"})
    assert (response.status, await response.text()) == (200, "ok\n")


async def test_the_proxy_gets_the_routes_in_force_with_its_token_only(client, panel):
    async with panel.transaction() as conn:
        app = await factories.app(conn, "hello")
        await routes.put(conn, app.id, ["hello.localhost"], ["10.9.64.2:5000"])
    response = await client.get("/internal/traefik", headers={PROXY_TOKEN_HEADER: TOKEN})
    config = await response.json()
    assert config["http"]["routers"][f"app-{app.id}"]["rule"] == "Host(`hello.localhost`)"
    assert config["http"]["services"]["panel"]["loadBalancer"]["servers"] == [{"url": "http://127.0.0.1:7000"}]
    for headers in ({}, {PROXY_TOKEN_HEADER: "the-proxys-tokem"}, {PROXY_TOKEN_HEADER: "ü"}):
        assert (await client.get("/internal/traefik", headers=headers)).status == 404


async def test_a_link_signs_in_once_and_looking_at_it_does_not_use_it_up(client, link):
    assert "one-time link" in await text(await client.get("/"))
    for _ in range(2):
        response = await client.get(link)
        assert f'value="{link.partition("=")[2]}"' in await response.text()
    response = await sign_in(client, link)
    assert (response.status, response.headers["Location"]) == (303, "/")
    cookie = response.headers["Set-Cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=Lax" in cookie
    assert "Domain" not in cookie
    page = await text(await client.get("/"))
    assert "hello" in page
    assert "admin@example.com" in page
    again = await sign_in(client, link)
    assert again.status == 403
    assert "skypanel login-link" in await again.text()


async def test_with_tls_the_cookie_is_one_that_no_app_can_set(client, link):
    response = await sign_in(client, link, **{"X-Forwarded-Proto": "https", "Origin": f"https://{HOST}"})
    assert response.headers["Set-Cookie"].startswith("__Host-skypanel=")
    assert "Secure" in response.headers["Set-Cookie"]


async def test_signing_out_ends_the_session_everywhere(client, link, panel):
    response = await sign_in(client, link)
    session = response.cookies["skypanel"].value
    assert await accounts.session_account(panel, session)
    response = await client.post("/logout", headers={"Origin": ORIGIN}, allow_redirects=False)
    assert response.status == 303
    assert await accounts.session_account(panel, session) is None
    assert "one-time link" in await text(await client.get("/"))


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Origin": "http://evil.localhost:8080"},
        {"Origin": "null"},
        {"Origin": f"https://{HOST}"},
        {"Sec-Fetch-Site": "same-site"},
        {"Origin": "http://evil.localhost:8080", "Sec-Fetch-Site": "same-origin"},
    ],
)
async def test_writes_from_other_sites_are_refused(client, link, panel, headers):
    session = (await sign_in(client, link)).cookies["skypanel"].value
    response = await client.post("/logout", headers=headers)
    assert response.status == 403
    assert await accounts.session_account(panel, session)


async def test_a_write_that_a_browser_vouches_for_is_taken_without_an_origin(client, link):
    await sign_in(client, link)
    response = await client.post("/logout", headers={"Sec-Fetch-Site": "same-origin"}, allow_redirects=False)
    assert response.status == 303


async def test_the_list_shows_release_state_url_and_dynos(client, link, owned, panel, dynos):
    await sign_in(client, link)
    page = await text(await client.get("/"))
    assert "No release yet" in page
    assert 'class="state new"' in page
    async with panel.transaction() as conn:
        release = await factories.release(conn, owned, state=ReleaseState.SUCCEEDED)
        await apps.set_current_release(conn, owned.id, release.id)
    dynos.all = [
        Dyno(DynoKey(owned.id, release.version, 1, "web", index), state, panel.clock.now(), "10.9.64.2:5000")
        for index, state in ((1, DynoState.UP), (2, DynoState.CRASHED))
    ]
    page = await text(await client.get("/"))
    assert f"v{release.version} · " in page
    assert 'class="state crashed">crashed' in page
    assert 'href="http://hello.localhost:8080/"' in page
    assert 'class="state up">web.1' in page
    assert 'class="state crashed">web.2' in page


async def test_an_account_without_apps_is_told_how_to_push_one(client, panel):
    async with panel.transaction() as conn:
        account = await factories.account(conn)
    await sign_in(client, await accounts.login_link(panel, account))
    assert "git remote add skypanel ssh://git@localhost:2222/hello.git" in await text(await client.get("/"))


async def test_an_unknown_host_has_no_app(client):
    response = await client.get("/any/path", headers={"Host": "nobody.localhost:8080"})
    assert response.status == 404
    assert "There is no app here." in await response.text()
    assert "nobody.localhost" in await response.text()


async def test_an_app_that_does_not_run_says_how_to_start_it(client, panel):
    async with panel.transaction() as conn:
        await factories.app(conn, "hello")
    response = await client.post("/any/path", headers={"Host": "hello.localhost:8080"})
    assert response.status == 503
    page = await text(response)
    assert "hello is not running" in page
    assert "git push skypanel main" in page


async def test_the_dashboard_is_on_its_own_host_only(client, link):
    await sign_in(client, link)
    for host in ("hello.localhost:8080", "localhost:8080", "127.0.0.1:7000"):
        assert "admin@example.com" not in await (await client.get("/", headers={"Host": host})).text()
    assert (await client.get("/static/style.css", headers={"Host": "nobody.localhost"})).status == 404
    assert (await client.get("/.well-known/skypanel/style.css", headers={"Host": "nobody.localhost"})).content_type == "text/css"
    assert (await client.get("/static/style.css")).content_type == "text/css"


async def test_what_a_visitor_sends_is_never_markup(client):
    response = await client.get("/login", params={"token": '"><script>alert(1)</script>'})
    assert "<script>" not in await response.text()
    response = await client.get("/", headers={"Host": "<script>.localhost"})
    assert "<script>" not in await response.text()


@pytest.mark.parametrize("path", ["/", "/nothing", "/static/style.css", "/internal/health", "/internal/traefik"])
async def test_every_response_is_safe_and_carries_a_request_id(client, path):
    response = await client.get(path)
    assert re.fullmatch(r"[0-9a-f-]{36}", response.headers["Request-Id"])
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    assert "unsafe" not in response.headers["Content-Security-Policy"]
    assert "frame-ancestors 'none'" in response.headers["Content-Security-Policy"]


ERRORS = {NotFound: 404, Conflict: 409, Denied: 403, Invalid: 422, Unavailable: 503}


@pytest.mark.parametrize(("kind", "status"), ERRORS.items())
async def test_each_kind_of_error_has_one_answer_for_people_and_one_for_programs(client, fault, kind, status):
    fault.append(kind("That is wrong.", "Do this."))
    response = await client.get("/raising", headers={"Accept": "text/html"})
    assert response.status == status
    assert "That is wrong." in await response.text()
    assert "Do this." in await response.text()
    response = await client.get("/raising", headers={"Accept": "application/vnd.heroku+json; version=3"})
    assert response.status == status
    assert (await response.json())["message"] == "That is wrong. Do this."


@pytest.mark.req("R1.4")
async def test_an_error_that_nobody_expected_is_logged_with_its_trace_under_the_requests_id(client, fault, caplog):
    fault.append(ZeroDivisionError("the fault"))
    with caplog.at_level(logging.ERROR):
        response = await client.get("/raising?token=secret", headers={"Accept": "application/json"})
    assert response.status == 500
    assert json.loads(await response.text())["id"] == "internal_server_error"
    [record] = [record for record in caplog.records if record.name == "web.middleware"]
    assert response.headers["Request-Id"] in record.getMessage()
    assert record.exc_info[0] is ZeroDivisionError
    assert "the fault" not in await response.text()
    assert "secret" not in caplog.text
