import asyncio
import hashlib
import json
import logging
import re
from contextlib import closing, contextmanager
from dataclasses import replace
from uuid import uuid4

import psycopg2
import pytest

from skypanel.domain.errors import Conflict, Denied, Invalid, NotFound, Throttled, Unavailable, Unpaid
from skypanel.domain.routing import PROXY_TOKEN_HEADER
from skypanel.flow import maintenance
from skypanel.store import apps, routes
from tests.fixtures.web import HOST, ORIGIN, TOKEN
from tests.integration.test_web_hostile import raw
from tests.support import factories
from tests.support.pages import PAGES
from tests.support.statements import Counting
from web import assets
from web.keys import PANEL

BROWSER = {"Accept": "text/html,application/xhtml+xml"}


async def text(response):
    return re.sub(r"\s+", " ", await response.text())


async def test_health_is_answered_on_any_host(client):
    response = await client.get("/internal/health", headers={"Host": "127.0.0.1:7000"})
    assert (response.status, await response.text()) == (200, "ok\n")


PROXY = {PROXY_TOKEN_HEADER: TOKEN}


async def test_the_proxy_gets_the_routes_in_force_with_its_token_only(client, stage):
    async with stage.panel.transaction() as conn:
        app = await factories.app(conn, "hello")
        await routes.put(conn, app.id, ["hello.localhost"], ["10.9.64.2:5000"])
    table = await (await client.get("/internal/routes", headers=PROXY)).json()
    assert table["apps"][str(app.id)]["hosts"] == ["hello.localhost"]
    config = await (await client.get("/internal/traefik", headers=PROXY)).json()
    assert config["http"]["middlewares"]["panel"]["plugin"]["forward"]["endpoints"] == ["127.0.0.1:7000"]
    for path in ("/internal/routes", "/internal/traefik"):
        for headers in ({}, {PROXY_TOKEN_HEADER: "the-proxys-tokem"}, {PROXY_TOKEN_HEADER: "ü"}):
            assert (await client.get(path, headers=headers)).status == 404


@pytest.mark.req("R2.1")
async def test_a_proxy_that_has_the_newest_routes_is_sent_nothing(client, stage):
    async def poll(version="", path="/internal/routes"):
        response = await client.get(path, headers={**PROXY, **({"If-None-Match": version} if version else {})})
        return response.status, response.headers["ETag"], await response.read()

    status, version, _ = await poll()
    _, configuration, _ = await poll(path="/internal/traefik")
    assert status == 200
    assert await poll(version) == (304, version, b"")
    async with stage.panel.transaction() as conn:
        app = await factories.app(conn, "hello")
    assert await poll(version) == (304, version, b"")
    async with stage.panel.transaction() as conn:
        await routes.put(conn, app.id, ["hello.localhost"], ["10.9.64.2:5000"])
    status, newer, table = await poll(version)
    assert (status, newer == version, b"hello.localhost" in table) == (200, False, True)
    assert (await poll(newer))[0] == 304
    assert (await poll('"another"'))[0] == 200
    # A route is no reason for the proxy to read all certificates again.
    assert (await poll(configuration, "/internal/traefik"))[0] == 304


async def test_what_the_proxy_is_told_is_kept_for_its_next_start(client, stage, tmp_path):
    async with stage.panel.transaction() as conn:
        app = await factories.app(conn, "hello")
        await routes.put(conn, app.id, ["hello.localhost"], ["10.9.64.2:5000"])
    for endpoints in (["10.9.64.2:5000"], ["10.9.64.6:5000"]):
        async with stage.panel.transaction() as conn:
            await routes.put(conn, app.id, ["hello.localhost"], endpoints)
        await client.get("/internal/routes", headers=PROXY)
        kept = json.loads((tmp_path / "proxy" / "routes.json").read_text())
        assert kept["apps"][str(app.id)]["endpoints"] == endpoints
    assert json.loads((tmp_path / "proxy" / "configuration.json").read_text())["http"]["routers"]


async def test_the_proxy_is_told_what_changed_and_the_routes_are_read_for_nothing_else(dashboard, new_client, stage):
    counting = Counting(stage.panel.database)
    dashboard[PANEL] = replace(stage.panel, database=counting)
    client = await new_client()

    async def told():
        counting.count = 0
        response = await client.get("/internal/routes", headers=PROXY)
        return set((await response.json())["apps"]), counting.count

    assert await told() == (set(), 6)
    assert await told() == (set(), 1)
    async with stage.panel.transaction() as conn:
        app, other = await factories.app(conn), await factories.app(conn)
        await routes.put(conn, app.id, ["hello.localhost"], ["10.9.64.2:5000"])
        await routes.put(conn, other.id, ["other.localhost"], [])
        # Nobody sees yet what is not committed.
        assert (await told())[0] == set()
    assert await told() == ({str(app.id)}, 6)
    assert await told() == ({str(app.id)}, 1)
    async with stage.panel.transaction() as conn:
        await apps.set_maintenance(conn, app.id, on=True)
    assert (await told())[0] == set()


async def test_an_unknown_host_has_no_app(client):
    response = await client.get("/any/path", headers={"Host": "nobody.localhost:8080"})
    assert response.status == 404
    assert "There is no app here." in await response.text()
    assert "nobody.localhost" in await response.text()


async def test_an_app_in_maintenance_says_so_to_visitors_and_on_the_dashboard(admin, stage):
    app = await stage.app()
    await maintenance.switch(stage.panel, app, stage.admin, on=True)
    response = await admin.post("/any/path", headers={"Host": "hello.localhost:8080"})
    assert (response.status, response.headers["Retry-After"]) == (503, "60")
    assert "This app is down for maintenance." in await text(response)
    assert 'class="state maintenance">maintenance' in await admin.page("/apps")
    assert "skypanel maintenance hello off" in await admin.page("/apps/hello")


async def test_the_dashboard_is_on_its_own_host_only(admin, stage):
    assert stage.admin.email in await (await admin.get("/apps")).text()
    for host in ("hello.localhost:8080", "localhost:8080", "127.0.0.1:7000"):
        assert stage.admin.email not in await (await admin.get("/apps", headers={"Host": host})).text()
    assert (await admin.get(assets.url("style.css"), headers={"Host": "nobody.localhost"})).status == 404


@pytest.mark.parametrize("name", [*assets.FILES, assets.SPRITE])
async def test_a_static_file_has_its_type_and_is_cached_for_good_by_its_digest(client, name):
    response = await client.get(assets.url(name))
    assert (response.status, response.headers["Cache-Control"]) == (200, "public, max-age=31536000, immutable")
    assert response.content_type == {"css": "text/css", "js": "text/javascript", "svg": "image/svg+xml"}[name.rpartition(".")[2]]
    assert hashlib.sha256(await response.read()).hexdigest().startswith(assets.asset(name).digest)
    old = await client.get(f"/static/{'0' * 16}/{name}")
    assert (old.status, old.headers["Cache-Control"]) == (200, "no-store")


async def test_no_other_file_is_served(client):
    for path in ("/static/0123456789abcdef/secret.js", "/static/0123456789abcdef/..%2Frouting.js", "/static/style.css"):
        assert (await client.get(path)).status == 404


async def test_every_icon_that_pages_use_is_in_the_sprite():
    sprite = assets.content(assets.SPRITE).decode()
    assert [name for name in assets.ICON_NAMES if f'id="{name}"' not in sprite] == []
    templates = [file.read_text() for file in assets.STATIC.parent.rglob("templates/**/*.html")]
    used = {name for text in templates for name in re.findall(r"""icon\("([a-z0-9-]+)"\)""", text)}
    assert used <= set(assets.ICON_NAMES)


async def test_what_a_visitor_sends_is_never_markup(client):
    response = await client.get("/login", params={"token": '"><script>alert(1)</script>'})
    assert "<script>" not in await response.text()
    response = await client.get("/apps", headers={"Host": "<script>.localhost", "Accept": "text/html"})
    assert "<script>" not in await response.text()


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/login",
        "/nothing",
        assets.url("style.css"),
        assets.url("htmx.js"),
        "/internal/health",
        "/internal/traefik",
        "/internal/routes",
    ],
)
async def test_every_response_is_safe_and_carries_a_request_id(client, path):
    response = await client.get(path)
    assert re.fullmatch(r"[0-9a-f-]{36}", response.headers["Request-Id"])
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    policy = response.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert "frame-ancestors 'none'" in policy


ERRORS = {NotFound: 404, Conflict: 409, Denied: 403, Invalid: 422, Unpaid: 402, Throttled: 429, Unavailable: 503}


@pytest.mark.parametrize(("kind", "status"), ERRORS.items())
async def test_each_kind_of_error_has_one_answer_for_people_and_one_for_programs(client, fault, kind, status):
    fault.append(kind("That is wrong.", "Do this."))
    response = await client.get("/raising", headers={"Accept": "text/html"})
    assert response.status == status
    assert "That is wrong." in await response.text()
    assert "Do this." in await response.text()
    assert f"Request {response.headers['Request-Id']}" in await response.text()
    assert 'class="brand"' in await response.text()
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


@contextmanager
def locked(dsn):
    """Hold a lock that lets nobody read sessions."""
    with closing(psycopg2.connect(dsn)) as connection, connection.cursor() as cursor:
        cursor.execute("LOCK TABLE paas_sessions")
        yield


@pytest.mark.parametrize("kind", ["locked", "frozen"])
async def test_a_page_says_within_five_seconds_that_the_database_hangs(admin, postgres, dsn, kind):
    begun = asyncio.get_running_loop().time()
    with locked(dsn) if kind == "locked" else postgres.frozen():
        answers = await asyncio.gather(*(admin.get("/account", headers=BROWSER) for _ in range(8)))
        assert asyncio.get_running_loop().time() - begun < 5
    assert {each.status for each in answers} == {503}
    assert "This page takes too long. The database may be down or busy." in re.sub("<[^>]+>", "", await text(answers[0]))
    assert "admin@localhost" in await admin.page("/account")


async def test_a_slash_at_the_end_leads_to_the_page(client):
    names = {"app": "hello", "deploy": uuid4(), "organization": uuid4(), "account": uuid4(), "plan": "Pro"}
    for path in [path.format_map(names) for path in ("/login", *PAGES)]:
        response = await client.get(f"{path}/?a=b", allow_redirects=False)
        assert (response.status, response.headers.get("Location")) == (308, f"{path}?a=b")


async def test_a_slash_leads_to_no_other_site(client):
    for target in ("//evil.example/", "//evil.example/apps/", "/\\evil.example/", "/nothing/"):
        assert await raw(client, f"GET {target} HTTP/1.1\r\nHost: {HOST}\r\n\r\n".encode()) == 404


@pytest.mark.parametrize("path", ["/", "/apps", "/apps/hello/deploys?older=1"])
async def test_a_browser_at_the_bare_domain_is_led_to_the_dashboard(client, path):
    response = await client.get(path, headers=BROWSER | {"Host": "localhost:8080"}, allow_redirects=False)
    assert (response.status, response.headers["Location"]) == (302, f"{ORIGIN}{path}")
    # Programs find the API there.
    response = await client.get("/apps", headers={"Host": "localhost:8080"})
    assert (response.status, response.content_type) == (401, "application/json")


@pytest.mark.parametrize(("old", "new"), {"/": "/apps", "/organizations": "/admin/organizations", "/nodes": "/admin/nodes"}.items())
async def test_old_addresses_lead_to_new_ones(admin, old, new):
    response = await admin.get(old, allow_redirects=False)
    assert (response.status, response.headers["Location"]) == (303, new)
