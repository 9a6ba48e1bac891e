"""Every URL of the panel, in one table."""

from aiohttp import web

from web import internal
from web.fallback import OWN_STYLE, STYLE
from web.pages import apps, sign_in


async def style(_request: web.Request) -> web.FileResponse:
    """Return the style sheet; browsers ask whether theirs is still good."""
    return web.FileResponse(STYLE, headers={"Cache-Control": "no-cache"})


ROUTES = (
    web.get("/internal/health", internal.health),
    web.get("/internal/traefik", internal.proxy),
    web.get("/", apps.index),
    web.get("/login", sign_in.confirm),
    web.post("/login", sign_in.sign_in),
    web.post("/logout", sign_in.sign_out),
    web.get(OWN_STYLE, style),
)
