"""Requests that an app does not answer: which error it is, and the line in the app's log."""

from collections.abc import Sequence
from dataclasses import replace

from skypanel.domain.app import App
from skypanel.domain.http_errors import FailedRequest, HttpError, log_line, with_route, without_route
from skypanel.domain.log import Source
from skypanel.domain.manifest import WEB, Dyno
from skypanel.domain.masking import masked
from skypanel.flow.configured import value
from skypanel.ports.panel import Panel
from skypanel.store import formation


async def explain(panel: Panel, app: App, request: FailedRequest, dynos: Sequence[Dyno]) -> HttpError:
    """Return the error of a request. Its code is empty if no route led to a dyno."""
    if request.code:
        return with_route(request.code, dynos)
    async with panel.autocommit() as conn:
        quantities = await formation.get(conn, app.id)
    return without_route(app, quantities.get(WEB, 0), dynos)


async def log(panel: Panel, app: App, error: HttpError, request: FailedRequest, dynos: Sequence[Dyno]) -> None:
    """Write a request's error to the app's log, without the values of secret parameters. Raises Unavailable."""
    async with panel.autocommit() as conn:
        names = frozenset(str(await value(conn, "log_masked_parameters")).split(",")) - {""}
    shown = replace(request, path=masked(request.path, names))
    await panel.logs.write(app, log_line(error, shown, dynos), Source.ROUTER)
