"""The dashboard and the API as one aiohttp application."""

from collections.abc import Awaitable, Callable, Sequence

from aiohttp import web

from skypanel.embedded.finding import Finding
from skypanel.ports.panel import Panel
from skypanel.settings import Settings
from web import changes, http_errors, internal, live
from web.consoles import Consoles
from web.keys import ACCESS_CHECKS, CONSOLES, DOCTOR, KEEPALIVE_S, PANEL, PENDING_RUNS, SETTINGS, STREAMS, Doctor
from web.middleware import MIDDLEWARES, add_headers
from web.pending_runs import PendingRuns
from web.routes import ROUTES

# Proxies and browsers close connections that are silent for longer than some tens of seconds.
DEFAULT_KEEPALIVE_S = 15.0


async def _no_findings() -> Sequence[Finding]:
    return ()


def create_app(
    panel: Panel,
    settings: Settings,
    *,
    keepalive_s: float = DEFAULT_KEEPALIVE_S,
    findings: Callable[[], Awaitable[Sequence[Finding]]] = _no_findings,
) -> web.Application:
    """Return the application of an open panel. A silent event stream sends a comment every `keepalive_s` seconds.

    `findings` checks the machine and the panel; by default, nothing is checked.
    """
    app = web.Application(middlewares=MIDDLEWARES)
    app[PANEL], app[SETTINGS], app[KEEPALIVE_S], app[STREAMS] = panel, settings, keepalive_s, set()
    app[changes.WATCHER] = changes.Watcher()
    app[ACCESS_CHECKS], app[PENDING_RUNS], app[internal.TOLD] = {}, PendingRuns(), internal.Told()
    app[http_errors.OWN_PAGES] = http_errors.OwnPages()
    app[http_errors.RECENT] = http_errors.RecentErrors()
    app[CONSOLES], app[DOCTOR] = Consoles(), Doctor(findings)
    app.on_response_prepare.append(add_headers)
    app.on_shutdown.append(live.end_streams)
    app.add_routes(ROUTES)
    return app
