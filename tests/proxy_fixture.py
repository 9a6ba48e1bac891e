"""A real Traefik as a panel configures it, and the part of the panel that it polls."""

import asyncio
import json
import shutil
import socket
import tempfile
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from ipaddress import IPv4Network
from pathlib import Path

import aiohttp
from aiohttp import web

from skypanel.domain.routing import PROXY_TOKEN_HEADER, Address, Route
from skypanel.drivers.proxy import plugin as door
from skypanel.drivers.proxy.routes import dynamic_config
from skypanel.drivers.proxy.traefik import TraefikRouter
from skypanel.embedded import routes
from skypanel.embedded.certificates import issue, make_authority, panel_hosts
from skypanel.embedded.processes import installed, proxy_config, traefik_argv, traefik_config
from skypanel.settings import Settings
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
    settings: Settings
    session: aiohttp.ClientSession
    routes: list[Route] = field(default_factory=list)
    # What the panel answers to whoever comes to it.
    status: int = 200
    tells_paths: bool = False
    ingress: str = ""

    @property
    def router(self):
        return TraefikRouter(f"http://127.0.0.1:{self.settings.traefik_port}", TOKEN)

    @property
    def authority(self):
        """The certificate that vouches for the proxy's."""
        return self.settings.home / "ca.crt"

    def origin(self, scheme, host="localhost"):
        address = self.settings.address
        return f"{scheme}://{host}:{address.https_port if scheme == 'https' else address.http_port}"

    def request(self, path="/", host=HOST, scheme="http", method="GET", **options):
        options = {"headers": {"Host": host}, "ssl": False, **options}
        return self.session.request(method, f"{self.origin(scheme, '127.0.0.1')}{path}", **options)

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


def unchanged(static_config):
    return static_config


@asynccontextmanager
async def running_proxy(home, git_port=1, change=unchanged, trusted=()):
    """Yield a proxy; `change` takes its static configuration and returns the one to use; `trusted` are networks of proxies before it."""
    web_port, traefik_port, http_port, https_port = free_ports(4)
    folder = Path(tempfile.mkdtemp(prefix="sky", dir="/var/tmp"))
    settings = Settings(
        home=home, run_dir=folder, address=Address("localhost", 2222, http_port, https_port),
        web_port=web_port, traefik_port=traefik_port, git_port=git_port, uid_base=1, subnet=IPv4Network("10.9.64.0/18"), allow=(),
        panel_uid=0, panel_gid=0, database_password="", valkey_password="", traefik_token=TOKEN, trusted_proxies=trusted,
    )  # fmt: skip
    authority = make_authority("localhost", datetime.now(UTC))
    pair = issue(authority, panel_hosts("localhost"), datetime.now(UTC))
    (home / "ca.crt").write_bytes(authority.certificate)
    (home / "keys").mkdir()
    (home / "keys" / "panel.crt").write_bytes(pair.certificate)
    (home / "keys" / "panel.key").write_bytes(pair.key)
    for name, content in door.files().items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(content)
    (folder / "traefik.yaml").write_text(json.dumps(change(traefik_config(settings))))
    (folder / routes.FOLDER).mkdir()
    (folder / routes.FOLDER / "own.yaml").write_text(json.dumps(proxy_config(settings)))
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(20)) as session:
        proxy = Proxy(settings, session)
        parts = {"web": f"127.0.0.1:{web_port}", "git": f"127.0.0.1:{git_port}"}

        async def config(request):
            assert request.headers[PROXY_TOKEN_HEADER] == TOKEN
            hosts = {"panel_host": "skypanel.localhost", "git_hosts": settings.address.git_hosts}
            return web.json_response(dynamic_config(proxy.routes, **hosts, **parts, ingress=proxy.ingress))

        async def page(request):
            return web.Response(status=proxy.status, text=f"panel: {request.raw_path if proxy.tells_paths else request.host}")

        panel, _ = await serve([web.get("/internal/traefik", config), web.route("*", "/{path:.*}", page)], web_port)
        traefik = await asyncio.create_subprocess_exec(*traefik_argv(settings, installed()), cwd=folder, stdout=asyncio.subprocess.DEVNULL)
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
