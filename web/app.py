"""The dashboard as an aiohttp application."""

from aiohttp import web

from skypanel.ports import Panel
from skypanel.settings import Settings
from web.keys import PANEL, SETTINGS
from web.middleware import MIDDLEWARES, add_headers
from web.routes import ROUTES


def create_app(panel: Panel, settings: Settings) -> web.Application:
    """Return the application over an open panel."""
    app = web.Application(middlewares=MIDDLEWARES)
    app[PANEL], app[SETTINGS] = panel, settings
    app.on_response_prepare.append(add_headers)
    app.add_routes(ROUTES)
    return app
