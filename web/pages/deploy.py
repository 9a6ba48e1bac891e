"""One deploy: its log, live while it runs."""

from uuid import UUID

from aiohttp import web

from skypanel.domain.access import Action
from skypanel.domain.deploy import Deploy
from skypanel.domain.ids import BuildId
from skypanel.flow import apps, deploys
from web import live, session
from web.keys import PANEL
from web.rendering import page_for
from web.session import Visitor


async def show(request: web.Request) -> web.Response:
    """Show the log so far. A script then adds the lines of `events`."""
    visitor, deploy = await _found(request)
    panel = request.app[PANEL]
    log = await live.read(panel, deploy, live.MANY_LINES)
    return page_for(request, visitor, "deploy", place="apps", deploy=deploy, log=log, by=await deploys.asked_by(panel, deploy))


async def events(request: web.Request) -> web.StreamResponse:
    """Stream further log lines."""
    _, deploy = await _found(request)
    return await live.stream(request, deploy)


async def text(request: web.Request) -> web.Response:
    """Send the whole log so far as plain text."""
    _, deploy = await _found(request)
    return await live.plain(request.app[PANEL], deploy)


async def _found(request: web.Request) -> tuple[Visitor, Deploy]:
    panel, visitor, params = request.app[PANEL], await session.visitor(request), request.match_info
    app = await apps.access(panel, visitor.account, params["app"], Action.VIEW_APP)
    if "build" in params:
        return visitor, await deploys.of_build(panel, app, BuildId(UUID(params["build"])))
    return visitor, await deploys.of_version(panel, app, int(params["version"]))
