"""The list of apps."""

from aiohttp import web

from skypanel.flow import apps, transfer
from web import session
from web.keys import PANEL
from web.rendering import page_for

APPS = 50


async def index(request: web.Request) -> web.Response:
    """Show one page of the account's apps."""
    panel, visitor, after = request.app[PANEL], await session.visitor(request), request.query.get("after", "")
    found = await apps.overview(panel, visitor.account, after=after, limit=APPS + 1)
    return page_for(
        request,
        visitor,
        "apps",
        place="apps",
        apps=found[:APPS],
        after=after,
        further=found[APPS - 1].app.name if len(found) > APPS else None,
        git_remote=panel.address.git_remote("hello"),
        offers=await transfer.offered(panel, visitor.account),
    )
