"""Endpoints for the panel's own processes, on the loopback interface."""

import asyncio
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field

from aiohttp import web

from skypanel.domain.errors import NotFound
from skypanel.domain.routing import Route
from skypanel.embedded import routes as proxied
from skypanel.flow import certificates, route
from skypanel.settings import Settings
from web.keys import PANEL, SETTINGS, check_proxy, host


async def health(_request: web.Request) -> web.Response:
    """Answer a health check of this process."""
    return web.Response(text="ok\n")


@dataclass
class Document:
    """What proxies are told, and its version. `file` is where the panel's own proxy starts from."""

    file: str
    content: bytes = field(default=b"", repr=False)
    version: str = ""


@dataclass
class Told:
    """The documents as they are told, and the state of the database at that time."""

    state: str = ""
    served: certificates.Served = field(default_factory=certificates.Served, repr=False)
    has_new_certificates: bool = True
    configuration: Document = field(default_factory=lambda: Document(proxied.CONFIGURATION))
    table: Document = field(default_factory=lambda: Document(proxied.TABLE))
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)


TOLD = web.AppKey("told", Told)


async def configuration(request: web.Request) -> web.Response:
    """Return the proxy's configuration with the certificates."""
    return _told(request, (await _up_to_date(request)).configuration)


async def table(request: web.Request) -> web.Response:
    """Return the table of routes, for which the proxy asks several times a second."""
    return _told(request, (await _up_to_date(request)).table)


async def _up_to_date(request: web.Request) -> Told:
    """Return what the proxy is told. It is read and saved to disk only if the database has changed since the last poll."""
    check_proxy(request)
    panel, settings, told = request.app[PANEL], request.app[SETTINGS], request.app[TOLD]
    async with told.lock:
        in_force = await route.active(panel, told.state)
        if in_force is not None:
            told.has_new_certificates |= await certificates.refresh(panel, told.served)
            await asyncio.to_thread(_tell, settings, told, in_force.routes)
            told.state = in_force.state
    return told


def _tell(settings: Settings, told: Told, routes: Sequence[Route]) -> None:
    """Write the table anew, and the configuration if there are other certificates. With many domains this needs a thread of its own."""
    served = told.served
    if told.has_new_certificates:
        _put(settings, told.configuration, proxied.configuration(settings, list(served.pairs.values())))
        told.has_new_certificates = False
    _put(settings, told.table, proxied.table(settings, routes, served.names, served.proving))


def _put(settings: Settings, document: Document, text: str) -> None:
    content = text.encode()
    if content != document.content:
        proxied.keep(settings.run_dir, document.file, text)
        document.content, document.version = content, hashlib.sha256(content).hexdigest()


def _told(request: web.Request, document: Document) -> web.Response:
    """Return a document. A proxy that has it is told so by 304."""
    headers = {"ETag": f'"{document.version}"'}
    if any(known.value == document.version for known in request.if_none_match or ()):
        return web.Response(status=304, headers=headers)
    return web.Response(body=document.content, content_type="application/json", headers=headers)


async def challenge(request: web.Request) -> web.Response:
    """Answer a certificate authority that checks a name by HTTP-01 (RFC 8555, 8.3)."""
    proof = await certificates.proof(request.app[PANEL], host(request), request.match_info["token"])
    if proof is None:
        raise NotFound("There is nothing at this URL.")
    return web.Response(text=proof, content_type="application/octet-stream")
