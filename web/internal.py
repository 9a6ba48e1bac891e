"""What the panel's own parts ask for, on the loopback interface."""

import hmac
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from aiohttp import web

from skypanel.domain.errors import NotFound
from skypanel.domain.routing import PROXY_TOKEN_HEADER, Route
from skypanel.drivers.traefik import dynamic_config
from skypanel.ports import Panel
from skypanel.settings import Settings
from skypanel.store import changes, routes
from web.keys import PANEL, SETTINGS


async def health(_request: web.Request) -> web.Response:
    """Say that this process answers."""
    return web.Response(text="ok\n")


@dataclass
class Told:
    """What the proxy was told last, and at which state of the database."""

    state: str = ""
    config: bytes = b""


TOLD = web.AppKey("told", Told)


async def proxy(request: web.Request) -> web.Response:
    """Return the routes in force as the proxy wants them. The proxy alone knows the token, and comes several times a second.

    They are read and written down only where anything has changed in the database since it came last.
    """
    panel, settings, told = request.app[PANEL], request.app[SETTINGS], request.app[TOLD]
    token = request.headers.get(PROXY_TOKEN_HEADER, "")
    if not hmac.compare_digest(token.encode(errors="surrogateescape"), settings.traefik_token.encode()):
        raise NotFound("There is nothing here.")
    async with panel.autocommit() as conn:
        state = await changes.state(conn)
        if state != told.state:
            config = json.dumps(_config(await routes.all(conn), panel, settings)).encode()
            told.state, told.config = state, config
    return web.Response(body=told.config, content_type="application/json")


def _config(in_force: Sequence[Route], panel: Panel, settings: Settings) -> dict[str, Any]:
    return dynamic_config(
        in_force,
        panel_host=panel.address.host("skypanel"),
        web=f"127.0.0.1:{settings.web_port}",
        git_hosts=panel.address.git_hosts,
        git=f"127.0.0.1:{settings.git_port}",
        ingress=settings.ingress if settings.engine == "swarm" else "",
    )
