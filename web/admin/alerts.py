"""The page of alerts for administrators."""

from aiohttp import web

from skypanel.domain.errors import Conflict, Denied, Invalid, SkyPanelError, Unavailable
from web import alerts, forms
from web.admin.place import admin_page, administrator
from web.messages import done
from web.session import Visitor

URL = "/admin/alerts"


async def show(request: web.Request) -> web.Response:
    """Show a page of alerts, the open ones first, and where messages about them go."""
    return await _page(request, await administrator(request))


async def change(request: web.Request) -> web.Response:
    """Do what the button says."""
    visitor, fields = await administrator(request), await forms.read(request)
    try:
        said = await alerts.act(request, visitor.account, None, fields)
    except (Conflict, Denied, Invalid, Unavailable) as error:
        return await _page(request, visitor, 422, error=error, fields=fields)
    return done(request, URL, said)


async def _page(
    request: web.Request, visitor: Visitor, status: int = 200, *, error: SkyPanelError | None = None, fields: forms.Fields | None = None
) -> web.Response:
    shown = await alerts.values(request, visitor.account, None, error=error, fields=fields)
    return admin_page(request, visitor, "alerts", "Alerts", status, url=URL, **shown)
