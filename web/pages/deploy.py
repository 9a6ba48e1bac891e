"""The old addresses of builds and releases, which lead to their deploys."""

from uuid import UUID

from aiohttp import web

from skypanel.domain.access import Action
from skypanel.domain.ids import BuildId
from skypanel.flow import apps, deploys
from web import live, session
from web.keys import PANEL


async def moved(request: web.Request) -> web.Response:
    """Redirect to the same part of the deploy's page: itself, its events or its log."""
    panel, visitor, params = request.app[PANEL], await session.visitor(request), request.match_info
    app = await apps.access(panel, visitor.account, params["app"], Action.VIEW_APP)
    if "build" in params:
        deploy = await deploys.of_build(panel, app, BuildId(UUID(params["build"])))
    else:
        deploy = await deploys.of_version(panel, app, int(params["version"]))
    part = request.path.rpartition("/")[2]
    location = live.url(deploy) + (f"/{part}" if part in {"events", "log"} else "")
    query = f"?{request.query_string}" if request.query_string else ""
    return web.Response(status=308, headers={"Location": f"{location}{query}", "Cache-Control": "no-store"})
