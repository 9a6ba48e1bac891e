"""What the application and a request carry along."""

import asyncio
from dataclasses import dataclass

from aiohttp import web

from skypanel.domain.account import Account
from skypanel.domain.ids import AppId, TokenId
from skypanel.domain.proxies import visitor
from skypanel.ports.panel import Panel
from skypanel.settings import Settings
from web.pending_runs import PendingRuns

PANEL = web.AppKey("panel", Panel)
SETTINGS = web.AppKey("settings", Settings)
REQUEST_ID = web.RequestKey("request_id", str)
# Who asks, once that is known.
ACTOR = web.RequestKey("actor", Account)
BEAT_S = web.AppKey("beat_s", float)
MEETINGS = web.AppKey("meetings", PendingRuns)
STREAMS = web.AppKey("streams", set[asyncio.Task[object]])


@dataclass
class Look:
    """A task that ends when streams may be read no more, and how many wait for that."""

    task: asyncio.Task[None]
    streams: int = 0


LOOKS = web.AppKey("looks", dict[tuple[TokenId, AppId], Look])
SESSION_LIFE_S = 14 * 24 * 60 * 60


def host(request: web.Request) -> str:
    """Return the hostname that was asked for, without its port."""
    return request.host.rpartition(":")[0].lower() if ":" in request.host else request.host.lower()


def client(request: web.Request) -> str:
    """Return the address of who asks: the proxy's word, or a trusted one's before it, and not the client's."""
    return visitor(request.headers.get("X-Forwarded-For", request.remote or ""), request.app[SETTINGS].trusted_proxies)


def origin(request: web.Request) -> str:
    """Return the origin that was asked for (RFC 6454); the proxy says whether it took the request by TLS."""
    return f"{request.headers.get('X-Forwarded-Proto', request.scheme)}://{request.host}"
