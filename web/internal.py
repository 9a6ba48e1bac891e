"""What the panel's own parts ask for, on the loopback interface."""

import asyncio
import hmac
import json
from dataclasses import dataclass

from aiohttp import web

from skypanel.domain.errors import NotFound
from skypanel.domain.routing import PROXY_TOKEN_HEADER
from skypanel.embedded import routes as proxied
from skypanel.flow import route
from web.keys import PANEL, SETTINGS


async def health(_request: web.Request) -> web.Response:
    """Say that this process answers."""
    return web.Response(text="ok\n")


@dataclass
class LastServed:
    """What the proxy was told last, and at which state of the database."""

    state: str = ""
    config: bytes = b""


TOLD = web.AppKey("told", LastServed)


async def proxy(request: web.Request) -> web.Response:
    """Return the routes in force as the proxy wants them. The proxy alone knows the token, and comes several times a second.

    They are read and written down only where anything has changed in the database since it came last.
    """
    panel, settings, told = request.app[PANEL], request.app[SETTINGS], request.app[TOLD]
    token = request.headers.get(PROXY_TOKEN_HEADER, "")
    if not hmac.compare_digest(token.encode(errors="surrogateescape"), settings.traefik_token.encode()):
        raise NotFound("There is nothing here.")
    in_force = await route.look(panel, told.state)
    if in_force is not None:
        config = proxied.config(settings, in_force.routes)
        before, told.state, told.config = told.config, in_force.state, json.dumps(config).encode()
        if told.config != before:
            await asyncio.to_thread(proxied.remember, settings.run_dir, config)
    return web.Response(body=told.config, content_type="application/json")
