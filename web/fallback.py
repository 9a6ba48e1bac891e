"""Answers for hosts without a running app."""

from aiohttp import web

from skypanel.flow import domains
from web import assets
from web.assets import STATIC
from web.keys import PANEL, REQUEST_ID, host
from web.rendering import page

# Served on apps' own hosts, at a well-known path (RFC 8615) that no app uses.
FOREIGN_STYLE = "/.well-known/skypanel/style.css"
RETRY_AFTER_S = "60"


async def answer(request: web.Request) -> web.StreamResponse:
    """Explain that an app is in maintenance mode, has no running web dyno, or does not exist."""
    if request.path == FOREIGN_STYLE:
        return web.FileResponse(STATIC / "style.css", headers={"Cache-Control": "no-store"})
    app = await domains.app_at(request.app[PANEL], host(request))
    if app is None:
        return message(request, 404, "There is no app here.", f"No app is deployed at {host(request)}.")
    if app.maintenance:
        response = page("maintenance", 503, name=app.name, style=FOREIGN_STYLE)
        response.headers["Retry-After"] = RETRY_AFTER_S
        return response
    is_released = app.current_release_id is not None
    return page("stopped", 503, name=app.name, is_released=is_released, suspension=app.suspension, style=FOREIGN_STYLE)


def message(request: web.Request, status: int, title: str, text: str) -> web.Response:
    """Return a page with one message and the request's id in the log. On the dashboard's host it has the dashboard's header."""
    is_ours = host(request) == request.app[PANEL].address.host("skypanel")
    style = assets.url("style.css") if is_ours else FOREIGN_STYLE
    return page("message", status, title=title, text=text, style=style, is_ours=is_ours, request_id=request.get(REQUEST_ID, ""))
