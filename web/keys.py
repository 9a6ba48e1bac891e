"""What the application and a request carry along."""

from aiohttp import web

from skypanel.ports import Panel
from skypanel.settings import Settings

PANEL = web.AppKey("panel", Panel)
SETTINGS = web.AppKey("settings", Settings)
REQUEST_ID = web.RequestKey("request_id", str)
SESSION_LIFE_S = 14 * 24 * 60 * 60


def host(request: web.Request) -> str:
    """Return the hostname that was asked for, without its port."""
    return request.host.rpartition(":")[0].lower() if ":" in request.host else request.host.lower()


def origin(request: web.Request) -> str:
    """Return the origin that was asked for (RFC 6454); the proxy says whether it took the request by TLS."""
    return f"{request.headers.get('X-Forwarded-Proto', request.scheme)}://{request.host}"
