"""Messages of the panel itself: errors, with the id under which the panel's log has them."""

from aiohttp import web

from web import http_errors
from web.keys import PANEL, REQUEST_ID, host
from web.rendering import page


def message(request: web.Request, status: int, title: str, text: str) -> web.Response:
    """Return a page with one message and the request's id in the log. On the dashboard's host it has the dashboard's header."""
    request_id = request.get(REQUEST_ID, "")
    if host(request) != request.app[PANEL].address.host("skypanel"):
        return http_errors.shown(status, title, text, request_id=request_id)
    return page("message", status, title=title, text=text, request_id=request_id)
