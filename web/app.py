"""The dashboard and the API as one aiohttp application."""

from aiohttp import web

from skypanel.ports.panel import Panel
from skypanel.settings import Settings
from web import changes, internal, live
from web.consoles import Consoles
from web.keys import ACCESS_CHECKS, CONSOLES, KEEPALIVE_S, PANEL, PENDING_RUNS, SETTINGS, STREAMS
from web.middleware import MIDDLEWARES, add_headers
from web.pending_runs import PendingRuns
from web.routes import ROUTES

# Proxies and browsers close connections that are silent for longer than some tens of seconds.
DEFAULT_KEEPALIVE_S = 15.0


def create_app(panel: Panel, settings: Settings, *, keepalive_s: float = DEFAULT_KEEPALIVE_S) -> web.Application:
    """Return the application of an open panel. A silent event stream sends a comment every `keepalive_s` seconds."""
    app = web.Application(middlewares=MIDDLEWARES)
    app[PANEL], app[SETTINGS], app[KEEPALIVE_S], app[STREAMS] = panel, settings, keepalive_s, set()
    app[changes.WATCHER] = changes.Watcher()
    app[ACCESS_CHECKS], app[PENDING_RUNS], app[internal.LAST_SERVED] = {}, PendingRuns(), internal.LastServed()
    app[CONSOLES] = Consoles()
    app.on_response_prepare.append(add_headers)
    app.on_shutdown.append(live.end_streams)
    app.add_routes(ROUTES)
    return app
