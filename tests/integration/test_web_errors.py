"""Answers for requests that no dyno answered: to visitors, and in the app's log."""

import json
from dataclasses import replace
from re import search

import pytest
from sqlalchemy import update

from skypanel.domain.http_errors import OwnPage
from skypanel.domain.log import Source
from skypanel.domain.manifest import DynoState
from skypanel.domain.routing import PROXY_TOKEN_HEADER
from skypanel.flow import config, maintenance, scale
from skypanel.flow import settings as settings_flow
from skypanel.store import domains, routes
from skypanel.store.tables.domains import domains as table
from tests.fixtures.web import TOKEN
from web import http_errors
from web.http_errors import OWN_PAGES, RECENT

AT = {"Host": "hello.localhost:8080"}
BROWSER = AT | {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}
TOLD = {
    "code": "H12", "method": "GET", "host": "hello.localhost:8080", "path": '/a?b="c"', "request_id": "an-id-of-twenty-letters",
    "fwd": "198.51.100.7", "endpoint": "", "protocol": "https", "accept": "text/html", "service_ms": "600012",
}  # fmt: skip
PROXY = {"Host": "127.0.0.1:7000", PROXY_TOKEN_HEADER: TOKEN}


def tell(client, headers=PROXY, **told):
    return client.post("/internal/http-errors", json=TOLD | told, headers=headers)


def change_dynos(stage, state):
    stage.panel.scheduler.running = {key: replace(dyno, state=state) for key, dyno in stage.panel.scheduler.running.items()}


async def router_lines(stage, app):
    return [line.text async for line in stage.panel.logs.read(app) if line.source is Source.ROUTER]


async def test_an_error_that_the_proxy_reports_is_in_the_apps_log_and_is_explained_to_the_visitor(client, stage, app):
    (web,) = await stage.panel.scheduler.dynos(app.id)
    response = await tell(client, endpoint=web.endpoint)
    assert (response.status, response.headers["Retry-After"], response.headers["Cache-Control"]) == (503, "5", "no-store")
    page = await response.text()
    assert "This app took too long to respond" in page
    assert "Error H12" in page
    assert "an-id-of-twenty-letters" in page
    (line,) = await router_lines(stage, app)
    assert line == (
        r'at=error code=H12 desc="Request timeout" method=GET path="/a?b=\"c\"" host=hello.localhost:8080 '
        'request_id=an-id-of-twenty-letters fwd="198.51.100.7" dyno=web.1 connect= service=600012ms status=503 bytes=0 protocol=https'
    )


async def test_no_line_has_a_secret_of_the_url(client, stage, app):
    await tell(client, path="/a?id=1&access_token=s3cret&name=x")
    await settings_flow.change(stage.panel, stage.admin, {"log_masked_parameters": "name"})
    await tell(client, path="/a?id=1&access_token=word&name=s3cret")
    await settings_flow.change(stage.panel, stage.admin, {"log_masked_parameters": ""})
    await tell(client, path="/a?=1&token=word")
    assert [search('path="(.*?)"', line)[1] for line in await router_lines(stage, app)] == [
        "/a?id=1&access_token=[masked]&name=x",
        "/a?id=1&access_token=word&name=[masked]",
        "/a?=1&token=word",
    ]


@pytest.mark.parametrize("headers", [{"Host": "127.0.0.1:7000"}, PROXY | {PROXY_TOKEN_HEADER: "another"}, PROXY | AT])
async def test_only_the_proxy_reports_errors(client, stage, app, headers):
    response = await tell(client, headers)
    assert response.status in {404, 503}
    assert not [line for line in await router_lines(stage, app) if "H12" in line]


async def test_an_error_after_the_response_began_is_logged_only(client, stage, app):
    for code in ("H15", "H18"):
        response = await tell(client, code=code)
        assert (response.status, await response.read()) == (204, b"")
    assert [line.split()[1] for line in await router_lines(stage, app)] == ["code=H15", "code=H18"]


async def test_why_no_dyno_answered_is_in_the_code(client, stage, app):
    expected = {
        ("H21", DynoState.CRASHED): "H10", ("H21", DynoState.STARTING): "H20", ("H21", DynoState.UP): "H21",
        ("H21", DynoState.STOPPING): "H14", ("H13", DynoState.UP): "H13", ("H13", DynoState.CRASHED): "H10",
        ("H12", DynoState.CRASHED): "H12", ("H77", DynoState.UP): "H99",
    }  # fmt: skip
    for (code, state), shown in expected.items():
        client.app[RECENT].of.clear()
        change_dynos(stage, state)
        assert f"Error {shown}<" in (await (await tell(client, code=code, request_id="")).text())
        assert f"code={shown} " in (await router_lines(stage, app))[-1]


async def test_an_app_that_nothing_leads_to_says_why_in_a_code_and_no_commands(client, stage, app):
    async def code(path="/any/path"):
        response = await client.post(path, headers=BROWSER)
        assert response.status == 503
        assert int(response.headers["Retry-After"]) > 0
        page = await response.text()
        assert "skypanel" not in page.lower()
        return page.partition("Error ")[2][:3]

    async def found(state):
        client.app[RECENT].of.clear()
        change_dynos(stage, state)
        return await code()

    async with stage.panel.transaction() as conn:
        await routes.put(conn, app.id, ["hello.localhost"], [])
    assert [await found(state) for state in (DynoState.CRASHED, DynoState.STARTING, DynoState.UP)] == ["H10", "H20", "H20"]
    await maintenance.switch(stage.panel, app, stage.admin, on=True)
    # The panel's own paths are the app's on its host.
    assert (await code(), await code("/internal/health")) == ("H80", "H80")
    await maintenance.switch(stage.panel, app, stage.admin, on=False)
    await scale.scale(stage.panel, app, {"web": 0}, stage.admin)
    assert await found(DynoState.UP) == "H14"
    assert {line.split()[0] for line in await router_lines(stage, app)} == {"at=error"}


async def test_an_app_without_a_release_is_blank(client, stage):
    await stage.app()
    page = await (await client.get("/", headers=BROWSER)).text()
    assert "There is nothing here yet" in page
    assert "Error H81" in page


@pytest.mark.parametrize(
    ("accept", "kind"),
    [
        ("text/html", "text/html"), ("application/json", "application/json"), ("application/vnd.api+json", "application/json"),
        ("*/*", "text/plain"), ("", "text/plain"), ("image/avif,image/*", "text/plain"),
    ],
)  # fmt: skip
async def test_a_client_gets_the_form_that_it_asks_for(client, stage, accept, kind):
    await stage.app()
    for at, code in (("hello", "H81"), ("nobody", "not_found")):
        response = await client.get("/", headers={"Host": f"{at}.localhost", "Accept": accept})
        assert response.content_type == kind
        if kind == "application/json":
            assert json.loads(await response.text())["id"] == code
        if kind == "text/html":
            assert "style-src 'unsafe-inline'" in response.headers["Content-Security-Policy"]


async def test_a_flood_of_errors_does_not_flood_the_log_nor_the_engine(client, stage, app):
    asked = []
    of = stage.panel.scheduler.dynos

    async def dynos(app_id=None):
        asked.append(app_id)
        return await of(app_id)

    stage.panel.scheduler.dynos = dynos
    for _ in range(30):
        assert (await tell(client)).status == 503
    assert len(asked) < 10
    assert len(await router_lines(stage, app)) < 30


async def test_a_verified_domain_has_its_apps_errors(client, stage, app):
    now = stage.panel.clock.now()
    async with stage.panel.transaction() as conn:
        for name in ("www.example.com", "claimed.example.com", "*.example.org"):
            domain = await domains.add(conn, app.id, name, "a-token", account_id=stage.admin.id, at=now)
            if name != "claimed.example.com":
                await conn.execute(update(table).where(table.c.id == domain.id).values(verified_at=now))
    for host in ("www.example.com", "a.example.org", "www.example.com.", "hello.localhost.:8080"):
        assert (await client.get("/", headers={"Host": host})).status == 503
    assert (await client.get("/", headers={"Host": "claimed.example.com"})).status == 404


async def test_an_apps_own_pages_are_shown_as_they_are_and_fetched_once(client, stage, app):
    pages = stage.panel.error_pages
    urls = {"ERROR_PAGE_URL": "https://pages.example/error", "MAINTENANCE_PAGE_URL": "https://pages.example/maintenance"}
    await config.change(stage.panel, app, urls, stage.admin)
    pages.pages = {url: OwnPage(f"<script>{key}</script>é".encode("latin-1"), "iso-8859-1") for key, url in urls.items()}
    for _ in range(2):
        response = await tell(client)
        assert (response.status, response.headers["Retry-After"], response.headers["Cache-Control"]) == (503, "5", "no-store")
        assert response.headers["Content-Type"] == "text/html; charset=iso-8859-1"
        assert not {"Set-Cookie", "Content-Security-Policy", "X-Frame-Options"} & response.headers.keys()
        assert await response.text() == "<script>ERROR_PAGE_URL</script>é"
    await maintenance.switch(stage.panel, app, stage.admin, on=True)
    response = await client.get("/", headers=BROWSER)
    assert (response.status, await response.text()) == (503, "<script>MAINTENANCE_PAGE_URL</script>é")
    assert pages.fetched == list(urls.values())
    # Other clients get what they ask for.
    assert (await client.get("/", headers=AT | {"Accept": "application/json"})).content_type == "application/json"
    # While a page cannot be fetched again, the last one is shown.
    pages.pages = {}
    for kept in client.app[OWN_PAGES].of.values():
        kept.until = 0
    for _ in range(2):
        assert await (await tell(client)).text() == "<script>ERROR_PAGE_URL</script>é"


async def test_a_flood_of_errors_does_not_read_the_config_var_each_time(client, stage, app):
    await config.change(stage.panel, app, {"ERROR_PAGE_URL": "https://pages.example/error"}, stage.admin)
    stage.panel.error_pages.pages = {"https://pages.example/error": OwnPage(b"one", "utf-8")}
    decrypt, read = stage.panel.cipher.decrypt, []

    def decrypted(secret):
        read.append(secret)
        return decrypt(secret)

    stage.panel.cipher.decrypt = decrypted
    for _ in range(30):
        assert await (await tell(client)).text() == "one"
    assert 0 < len(read) < 10


async def test_of_own_pages_the_last_urls_are_remembered_as_far_as_there_is_room(client, stage, app, monkeypatch):
    other, pages = await stage.app("other"), stage.panel.error_pages
    monkeypatch.setattr(http_errors, "MAX_KEPT_BYTES", 50)

    async def shown(app, url):
        pages.pages[url] = OwnPage(url.encode() + b"x" * 40, "utf-8")
        await config.change(stage.panel, app, {"ERROR_PAGE_URL": url}, stage.admin)
        client.app[RECENT].of.clear()
        return (await (await tell(client, host=f"{app.name}.localhost")).text()).rstrip("x")

    for url in ("https://pages.example/1", "https://pages.example/2"):
        assert await shown(app, url) == url
        assert [kept.url for kept in client.app[OWN_PAGES].of.values()] == [url]
    assert await shown(other, "https://pages.example/3") == "https://pages.example/3"
    assert [kept.url for kept in client.app[OWN_PAGES].of.values()] == ["https://pages.example/3"]


async def test_an_own_page_that_cannot_be_fetched_leaves_the_platforms_and_a_line_in_the_log(client, stage, app):
    await config.change(stage.panel, app, {"ERROR_PAGE_URL": "https://pages.example/none"}, stage.admin)
    assert "Error H12" in await (await tell(client)).text()
    lines = [line.text async for line in stage.panel.logs.read(app)]
    assert [line for line in lines if "ERROR_PAGE_URL" in line] == ["ERROR_PAGE_URL cannot be shown to visitors. There is no page."]


async def test_a_visitor_who_is_too_slow_is_told_so_and_is_a_warning_in_the_log(client, stage, app):
    response = await tell(client, code="H28")
    assert (response.status, response.headers["Retry-After"]) == (408, "5")
    assert "The request did not arrive in time" in await response.text()
    (line,) = await router_lines(stage, app)
    assert line.startswith('at=warning code=H28 desc="Client Connection Idle" method=GET')
    assert " status=408 " in line
