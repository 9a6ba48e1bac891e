"""Keys for the state of the application and of a request, and facts about a request."""

import asyncio
import hmac
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from aiohttp import web

from skypanel.domain import clients
from skypanel.domain.account import Account
from skypanel.domain.errors import NotFound
from skypanel.domain.ids import AppId, TokenId
from skypanel.domain.routing import PROXY_TOKEN_HEADER
from skypanel.embedded.finding import Finding
from skypanel.ports.panel import Panel
from skypanel.settings import Settings
from web.consoles import Consoles
from web.pending_runs import PendingRuns

PANEL = web.AppKey("panel", Panel)
SETTINGS = web.AppKey("settings", Settings)
REQUEST_ID = web.RequestKey("request_id", str)
# The authenticated account.
ACTOR = web.RequestKey("actor", Account)
# The digest of the idempotency key of the form that is being handled.
SUBMISSION = web.RequestKey("submission", str)
# When a page is late. A response that has begun takes the time that it needs.
DEADLINE = web.RequestKey("deadline", asyncio.Timeout)
KEEPALIVE_S = web.AppKey("keepalive_s", float)
PENDING_RUNS = web.AppKey("pending_runs", PendingRuns)
STREAMS = web.AppKey("streams", set[asyncio.Task[object]])
CONSOLES = web.AppKey("consoles", Consoles)


@dataclass(frozen=True)
class Doctor:
    """Checks the machine and the panel, and returns what is wrong."""

    examine: Callable[[], Awaitable[Sequence[Finding]]]


DOCTOR = web.AppKey("doctor", Doctor)


@dataclass
class AccessCheck:
    """A task that ends when streams may no longer be read, and the number of streams that wait for it."""

    task: asyncio.Task[None]
    streams: int = 0


ACCESS_CHECKS = web.AppKey("access_checks", dict[tuple[TokenId, AppId], AccessCheck])


def host(request: web.Request) -> str:
    """Return the requested hostname in lower case, without its port."""
    return request.host.rpartition(":")[0].lower() if ":" in request.host else request.host.lower()


def check_proxy(request: web.Request) -> None:
    """Raise NotFound unless a request is the proxy's own, which alone knows the token."""
    token = request.headers.get(PROXY_TOKEN_HEADER, "")
    if not hmac.compare_digest(token.encode(errors="surrogateescape"), request.app[SETTINGS].traefik_token.encode()):
        raise NotFound("There is nothing at this URL.")


def client(request: web.Request) -> str:
    """Return the address of the request's client, for the audit log and rate limits."""
    return clients.client(request.headers, request.remote, request.app[SETTINGS].trusted_proxies)


def take_time(request: web.Request) -> None:
    """Let a request take as long as it needs: it asks for more than the database has."""
    if DEADLINE in request:
        request[DEADLINE].reschedule(None)


# What the proxy says of the connection of a WebSocket, which a page of the same host opens.
_SCHEMES = {"ws": "http", "wss": "https"}


def origin(request: web.Request) -> str:
    """Return the origin of the requested URL (RFC 6454). The proxy says whether the request came over TLS."""
    scheme = request.headers.get("X-Forwarded-Proto", request.scheme)
    return f"{_SCHEMES.get(scheme, scheme)}://{request.host}"
