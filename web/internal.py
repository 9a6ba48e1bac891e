"""Endpoints for the panel's own processes, on the loopback interface."""

import asyncio
import hashlib
import json
from dataclasses import dataclass, field

from aiohttp import web

from skypanel.domain.errors import NotFound
from skypanel.embedded import routes as proxied
from skypanel.flow import certificates, route
from web.keys import PANEL, SETTINGS, check_proxy, host


async def health(_request: web.Request) -> web.Response:
    """Answer a health check of this process."""
    return web.Response(text="ok\n")


@dataclass
class LastServed:
    """The last configuration that the proxy got, and the state of the database at that time."""

    state: str = ""
    config: bytes = field(default=b"", repr=False)
    version: str = ""
    served: certificates.Served = field(default_factory=certificates.Served, repr=False)


LAST_SERVED = web.AppKey("last_served", LastServed)


async def proxy(request: web.Request) -> web.Response:
    """Return the routes and certificates as configuration for the proxy, which polls several times a second.

    The routes are read and saved to disk only if the database has changed since the last poll. A proxy that has them is told so by 304.
    """
    check_proxy(request)
    panel, settings, last = request.app[PANEL], request.app[SETTINGS], request.app[LAST_SERVED]
    in_force = await route.active(panel, last.state)
    if in_force is not None:
        served = last.served
        await certificates.refresh(panel, served)
        config = proxied.config(settings, in_force.routes, served.names, list(served.pairs.values()), served.proving)
        before, last.state, last.config = last.config, in_force.state, json.dumps(config).encode()
        if last.config != before:
            last.version = hashlib.sha256(last.config).hexdigest()
            await asyncio.to_thread(proxied.remember, settings.run_dir, config)
    headers = {"ETag": f'"{last.version}"'}
    if any(known.value == last.version for known in request.if_none_match or ()):
        return web.Response(status=304, headers=headers)
    return web.Response(body=last.config, content_type="application/json", headers=headers)


async def challenge(request: web.Request) -> web.Response:
    """Answer a certificate authority that checks a name by HTTP-01 (RFC 8555, 8.3)."""
    proof = await certificates.proof(request.app[PANEL], host(request), request.match_info["token"])
    if proof is None:
        raise NotFound("There is nothing at this URL.")
    return web.Response(text=proof, content_type="application/octet-stream")
