"""What the panel's own parts ask for, on the loopback interface."""

import hmac
from collections.abc import Sequence
from dataclasses import replace

from aiohttp import web

from skypanel.domain.errors import NotFound
from skypanel.domain.routing import PROXY_TOKEN_HEADER, Route
from skypanel.drivers.traefik import dynamic_config
from skypanel.settings import Settings
from skypanel.store import routes
from web.keys import PANEL, SETTINGS


async def health(_request: web.Request) -> web.Response:
    """Say that this process answers."""
    return web.Response(text="ok\n")


def through_ingress(in_force: Sequence[Route], settings: Settings) -> list[Route]:
    """Return the routes as the panel's proxy has them on a Swarm: the ingress is in the networks of the dynos, and it is not."""
    return [replace(route, endpoints=(settings.ingress,)) for route in in_force if route.endpoints]


async def proxy(request: web.Request) -> web.Response:
    """Return the routes in force as the proxy wants them. The proxy alone knows the token, and comes several times a second."""
    panel, settings = request.app[PANEL], request.app[SETTINGS]
    token = request.headers.get(PROXY_TOKEN_HEADER, "")
    if not hmac.compare_digest(token.encode(errors="surrogateescape"), settings.traefik_token.encode()):
        raise NotFound("There is nothing here.")
    async with panel.autocommit() as conn:
        in_force = await routes.all(conn)
    config = dynamic_config(
        through_ingress(in_force, settings) if settings.engine == "swarm" else in_force,
        panel_host=panel.address.host("skypanel"),
        web_url=f"http://127.0.0.1:{settings.web_port}",
        git_hosts=panel.address.git_hosts,
        git_url=f"http://127.0.0.1:{settings.git_port}",
    )
    return web.json_response(config)
