"""The dashboard as an aiohttp application."""

from aiohttp import web

from skypanel.ports.panel import Panel
from skypanel.settings import Settings
from web import internal, live
from web.keys import BEAT_S, LOOKS, MEETINGS, PANEL, SETTINGS, STREAMS
from web.middleware import MIDDLEWARES, add_headers
from web.pending_runs import PendingRuns
from web.routes import ROUTES

# Proxies and browsers take a connection for dead that is silent for longer than some tens of seconds.
DEFAULT_BEAT_S = 15.0


def create_app(panel: Panel, settings: Settings, *, beat_s: float = DEFAULT_BEAT_S) -> web.Application:
    """Return the application over an open panel. A log that is silent shows a sign of life every `beat_s`."""
    app = web.Application(middlewares=MIDDLEWARES)
    app[PANEL], app[SETTINGS], app[BEAT_S], app[STREAMS] = panel, settings, beat_s, set()
    app[LOOKS], app[MEETINGS], app[internal.TOLD] = {}, PendingRuns(), internal.LastServed()
    app.on_response_prepare.append(add_headers)
    app.on_shutdown.append(live.end_streams)
    app.add_routes(ROUTES)
    return app
