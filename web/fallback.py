"""Hosts that lead to no running app: what a visitor is told."""

from pathlib import Path

from aiohttp import web

from skypanel.domain.app import App
from skypanel.store import apps
from web.keys import PANEL, host
from web.rendering import page

STYLE = Path(__file__).parent / "static" / "style.css"
# On an app's own host, where no app would have anything (RFC 8615).
FOREIGN_STYLE = "/.well-known/skypanel/style.css"
OWN_STYLE = "/static/style.css"


async def answer(request: web.Request) -> web.StreamResponse:
    """Say that an app has no running web dyno and how to start one, or that there is no such app."""
    if request.path == FOREIGN_STYLE:
        return web.FileResponse(STYLE, headers={"Cache-Control": "no-store"})
    app = await _app_at(request)
    if app is None:
        return page("message", 404, title="There is no app here.", text=f"Nothing answers for {host(request)}.", style=FOREIGN_STYLE)
    return page("stopped", 503, name=app.name, is_released=app.current_release_id is not None, style=FOREIGN_STYLE)


def style(request: web.Request) -> str:
    """Return where a page on this host finds its style sheet."""
    return OWN_STYLE if host(request) == request.app[PANEL].address.host("skypanel") else FOREIGN_STYLE


async def _app_at(request: web.Request) -> App | None:
    panel = request.app[PANEL]
    name = host(request).removesuffix(f".{panel.address.domain}")
    async with panel.transaction() as conn:
        return await apps.by_name(conn, name)
