import asyncio
import io
from dataclasses import replace
from uuid import uuid4

import pytest
from aiohttp import web

from skypanel.domain.errors import Unavailable
from skypanel.domain.http_rules import HttpRules
from skypanel.domain.routing import PROXY_TOKEN_HEADER, Route
from skypanel.drivers.proxy.traefik import TraefikRouter
from skypanel.embedded import routes
from tests.contracts.router import RouterContract
from tests.fixtures.proxy import HOST, TOKEN, running_proxy, serve
from tests.support.until import until


@pytest.fixture
async def proxy(tmp_path):
    async with running_proxy(tmp_path) as made:
        yield made


@pytest.fixture
async def backends():
    """Two little servers that answer with their number."""

    def respond(number):
        async def handler(request):
            return web.Response(text=str(number))

        return handler

    started = [await serve([web.get("/", respond(number))]) for number in (1, 2)]
    yield [endpoint for _, endpoint in started]
    for runner, _ in started:
        await runner.cleanup()


class TestTraefikRouter(RouterContract):
    @pytest.fixture
    def router(self, proxy):
        return proxy.router

    @pytest.fixture
    def publish(self, proxy):
        def publish(*routes):
            proxy.routes[:] = routes

        return publish

    @pytest.fixture
    def router_without_proxy(self):
        return TraefikRouter("http://127.0.0.1:1", TOKEN)


async def test_a_route_is_live_once_it_is_confirmed(proxy, backends):
    app_id = uuid4()
    for endpoint, text in zip([*backends, *backends], "1212", strict=True):
        async with asyncio.timeout(10):
            await proxy.switch(endpoint, app_id=app_id)
        assert await proxy.text() == (200, text)
        assert await proxy.text(scheme="https") == (200, text)


@pytest.mark.req("R2.1")
async def test_the_proxy_gets_the_configuration_when_it_changes_and_no_more(proxy, backends):
    app_id = uuid4()
    await proxy.switch(backends[0], app_id=app_id)
    proxy.polls.clear()
    await until(lambda: len(proxy.polls) >= 5)
    assert set(proxy.polls) == {304}
    await proxy.switch(backends[1], app_id=app_id)
    assert proxy.polls.count(200) == 1


async def test_the_last_configuration_stays_while_the_panel_s_answers_make_no_sense(proxy, backends):
    app_id = uuid4()
    await proxy.switch(backends[0], app_id=app_id)
    for document in ('{"apps": {"', "<h1>busy</h1>", "[]", "null", '{"proving": []}', '{"apps": {"1": {"hosts": 1}}}'):
        proxy.document = document
        proxy.polls.clear()
        await until(lambda: proxy.polls.count(200) >= 1)
        assert await proxy.text() == (200, "1")
    proxy.document = ""
    await proxy.switch(backends[1], app_id=app_id)
    assert await proxy.text() == (200, "2")


async def test_a_proxy_that_starts_while_the_panel_makes_no_sense_has_its_last_routes(proxy, backends):
    await proxy.switch(backends[0], app_id=uuid4())
    (proxy.settings.run_dir / routes.TABLE).write_text(routes.table(proxy.settings, proxy.routes))
    proxy.document = "<h1>busy</h1>"
    await proxy.stop()
    await proxy.start()
    assert await proxy.text() == (200, "1")


async def test_a_ca_that_checks_a_name_over_http_comes_to_the_panel_where_an_app_has_the_name(proxy, backends):
    proxy.proving.append(HOST)
    await proxy.switch(backends[0], app_id=uuid4())
    challenge = "/.well-known/acme-challenge/x"
    assert await proxy.text(path=challenge) == (200, f"panel: {HOST}")
    assert (await proxy.text(path=challenge, scheme="https"))[0] == 404
    assert await proxy.text() == (200, "1")


async def test_no_request_fails_while_routes_are_switched(proxy, backends):
    app_id, seen, stop = uuid4(), [], asyncio.Event()
    await proxy.switch(backends[0], app_id=app_id)

    async def load():
        while not stop.is_set():
            seen.append(await proxy.text())

    clients = [asyncio.create_task(load()) for _ in range(4)]
    for endpoint in [backends[1], backends[0]] * 3:
        await proxy.switch(endpoint, app_id=app_id)
        count = len(seen)
        await until(lambda count=count: len(seen) >= count + 50)
    stop.set()
    await asyncio.gather(*clients)
    assert {status for status, _ in seen} == {200}
    assert {text for _, text in seen} == {"1", "2"}


async def test_requests_spread_over_all_endpoints(proxy, backends):
    await proxy.switch(*backends, app_id=uuid4())
    assert {(await proxy.text())[1] for _ in range(4)} == {"1", "2"}


async def test_unknown_hosts_stopped_apps_and_the_dashboard_go_to_the_panel(proxy, backends):
    app_id = uuid4()
    assert await proxy.text(host="nobody.localhost") == (200, "panel: nobody.localhost")
    assert await proxy.text(host="skypanel.localhost") == (200, "panel: skypanel.localhost")
    assert await proxy.text() == (200, f"panel: {HOST}")
    await proxy.switch(backends[0], app_id=app_id)
    assert await proxy.text() == (200, "1")
    await proxy.switch(app_id=app_id)
    assert await proxy.text() == (200, f"panel: {HOST}")
    assert await proxy.text(scheme="https") == (200, f"panel: {HOST}")


async def test_an_app_sees_who_asked_and_is_streamed_in_both_ways(proxy):
    step = asyncio.Event()

    async def stream(request):
        assert request.host == HOST
        assert request.headers["X-Forwarded-For"] == "127.0.0.1"
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(b"first")
        await step.wait()
        await response.write(b"second")
        return response

    async def echo(request):
        channel = web.WebSocketResponse()
        await channel.prepare(request)
        async for message in channel:
            await channel.send_str(message.data.upper())
        return channel

    async def upload(request):
        return web.Response(text=str(len(await request.read())))

    app, endpoint = await serve([web.get("/", stream), web.get("/echo", echo), web.post("/", upload)])
    await proxy.switch(endpoint, app_id=uuid4())
    async with proxy.request(headers={"Host": HOST, "X-Forwarded-For": "1.2.3.4"}) as response:
        assert await response.content.read(5) == b"first"
        step.set()
        assert await response.content.read() == b"second"
    url = f"http://127.0.0.1:{proxy.settings.address.http_port}/echo"
    async with proxy.session.ws_connect(url, headers={"Host": HOST}) as channel:
        await channel.send_str("hello")
        assert await channel.receive_str() == "HELLO"
    assert await proxy.text(method="POST", data=io.BytesIO(b"x" * 20_000_000)) == (200, "20000000")
    await app.cleanup()


async def test_the_api_answers_to_the_token_only(proxy):
    url = f"http://127.0.0.1:{proxy.settings.traefik_port}/api/rawdata"
    for headers in ({}, {PROXY_TOKEN_HEADER: "another"}):
        async with proxy.session.get(url, headers=headers) as response:
            assert response.status == 404
    async with proxy.session.get(url, headers={PROXY_TOKEN_HEADER: TOKEN}) as response:
        assert response.status == 200
    assert "api" not in (await proxy.text(path="/api/rawdata"))[1].replace("panel: ", "")


async def test_a_proxy_that_does_not_take_a_route_up_is_unavailable(proxy):
    with pytest.raises(Unavailable):
        await proxy.router.confirm([Route(uuid4(), (HOST,), ("127.0.0.1:1",))], timeout_s=0.5)
    with pytest.raises(Unavailable):
        await TraefikRouter(proxy.router._api_url, "another").confirm([Route(uuid4(), (HOST,), ())], timeout_s=0.2)  # noqa: SLF001
    with pytest.raises(Unavailable):
        await TraefikRouter("http://127.0.0.1:1", TOKEN).confirm([Route(uuid4(), (HOST,), ())], timeout_s=0.2)


async def test_a_wildcard_leads_one_label_to_its_app_and_every_exact_name_goes_before_it(proxy, backends):
    wide, exact = (Route(uuid4(), (host,), (backend,)) for host, backend in zip(("*.example.com", "a.example.com"), backends, strict=True))
    proxy.routes.extend((wide, exact))
    await proxy.router.confirm([wide, exact])
    led = {"b.example.com": "1", "B.Example.com.": "1", "a.example.com": "2", "a.example.com:8080": "2"}
    for host, text in led.items():
        assert await proxy.text(headers={"Host": host}) == (200, text)
        assert await proxy.text(headers={"Host": host}, scheme="https") == (200, text)
    for host in ("example.com", "b.a.example.com", "b.b.example.com", ".example.com", "com"):
        assert (await proxy.text(headers={"Host": host}))[1] not in {"1", "2"}
    proxy.routes.remove(exact)
    await proxy.router.confirm([replace(exact, endpoints=())])
    assert await proxy.text(headers={"Host": "a.example.com"}) == (200, "1")


async def test_a_host_of_a_wildcard_is_redirected_to_https_where_the_wildcard_is(proxy, backends):
    wide = Route(uuid4(), ("*.example.com",), (backends[0],), HttpRules(https_redirect=True))
    proxy.routes.append(wide)
    proxy.proving.append("b.example.com")
    await proxy.router.confirm([wide])
    async with proxy.request(host="b.example.com", allow_redirects=False) as response:
        assert (response.status, response.headers["Location"].split(":")[1]) == (301, "//b.example.com")
    challenge = "/.well-known/acme-challenge/x"
    assert await proxy.text(path=challenge, headers={"Host": "b.example.com"}) == (200, "panel: b.example.com")
    assert await proxy.text(path=challenge, headers={"Host": "c.example.com"}) == (404, "404: Not Found"), "by the app"
