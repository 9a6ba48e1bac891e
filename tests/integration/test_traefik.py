import asyncio
import io
import json
import shutil
import socket
import sysconfig
import tempfile
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from ipaddress import IPv4Network
from pathlib import Path
from uuid import uuid4

import aiohttp
import pytest
from aiohttp import web

from skypanel.domain.errors import Unavailable
from skypanel.domain.routing import PROXY_TOKEN_HEADER, Address, Route
from skypanel.drivers.traefik import TraefikRouter, dynamic_config
from skypanel.embedded.certificates import issue, make_authority, panel_hosts
from skypanel.embedded.processes import proxy_config, traefik_config
from skypanel.settings import Settings
from tests.contract_router import RouterContract
from tests.until import until

TOKEN = "a-token"
HOST = "hello.localhost"


def free_ports(count):
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


@dataclass
class Proxy:
    """A real Traefik, and the part of the panel that it polls."""

    settings: Settings
    session: aiohttp.ClientSession
    routes: list[Route] = field(default_factory=list)

    @property
    def router(self):
        return TraefikRouter(f"http://127.0.0.1:{self.settings.traefik_port}", TOKEN)

    def request(self, path="/", host=HOST, scheme="http", method="GET", **options):
        address = self.settings.address
        port = address.http_port if scheme != "https" else address.https_port
        options = {"headers": {"Host": host}, "ssl": False, **options}
        return self.session.request(method, f"{scheme}://127.0.0.1:{port}{path}", **options)

    async def text(self, **options):
        async with self.request(**options) as response:
            return response.status, await response.text()

    async def switch(self, *endpoints, app_id):
        self.routes[:] = [route for route in self.routes if route.app_id != app_id]
        route = Route(app_id, (HOST,), endpoints)
        self.routes.append(route)
        await self.router.confirm([route])


async def serve(routes, port=0):
    app = web.Application(client_max_size=64 * 1024**2)
    app.add_routes(routes)
    runner = web.AppRunner(app, shutdown_timeout=5)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", port)
    await site.start()
    return runner, f"127.0.0.1:{site._server.sockets[0].getsockname()[1]}"  # noqa: SLF001 - no other way to learn the port


@pytest.fixture
async def proxy(tmp_path):
    web_port, traefik_port, http_port, https_port = free_ports(4)
    folder = Path(tempfile.mkdtemp(prefix="sky", dir="/var/tmp"))
    settings = Settings(
        home=tmp_path, run_dir=folder, address=Address("localhost", 2222, http_port, https_port),
        web_port=web_port, traefik_port=traefik_port, uid_base=1, subnet=IPv4Network("10.9.64.0/18"), allow=(),
        panel_uid=0, panel_gid=0, database_password="", valkey_password="", traefik_token=TOKEN,
    )  # fmt: skip
    pair = issue(make_authority("localhost", datetime.now(UTC)), panel_hosts("localhost"), datetime.now(UTC))
    (tmp_path / "keys").mkdir()
    (tmp_path / "keys" / "panel.crt").write_bytes(pair.certificate)
    (tmp_path / "keys" / "panel.key").write_bytes(pair.key)
    (folder / "traefik.yaml").write_text(json.dumps(traefik_config(settings)))
    (folder / "proxy.yaml").write_text(json.dumps(proxy_config(settings)))
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(20)) as session:
        proxy = Proxy(settings, session)

        async def config(request):
            assert request.headers[PROXY_TOKEN_HEADER] == TOKEN
            return web.json_response(dynamic_config(proxy.routes, panel_host="skypanel.localhost", web_url=f"http://127.0.0.1:{web_port}"))

        async def page(request):
            return web.Response(text=f"panel: {request.host}")

        panel, _ = await serve([web.get("/internal/traefik", config), web.route("*", "/{path:.*}", page)], web_port)
        binary = Path(sysconfig.get_path("scripts")) / "traefik"
        traefik = await asyncio.create_subprocess_exec(binary, f"--configFile={folder / 'traefik.yaml'}", stdout=asyncio.subprocess.DEVNULL)
        try:
            await until(lambda: answers(proxy))
            yield proxy
        finally:
            traefik.kill()
            await traefik.wait()
            await panel.cleanup()
            shutil.rmtree(folder)


async def answers(proxy):
    try:
        return (await proxy.text(host="nobody.localhost"))[1] == "panel: nobody.localhost"
    except aiohttp.ClientConnectionError:
        return False


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


async def test_a_route_is_live_once_it_is_confirmed_within_a_second(proxy, backends):
    app_id = uuid4()
    for endpoint, text in zip([*backends, *backends], "1212", strict=True):
        before = time.monotonic()
        await proxy.switch(endpoint, app_id=app_id)
        assert time.monotonic() - before < 1
        assert await proxy.text() == (200, text)
        assert await proxy.text(scheme="https") == (200, text)


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
