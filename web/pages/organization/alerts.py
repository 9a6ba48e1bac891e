"""The alerts of an organization and its apps, and where messages about them go."""

from aiohttp import web

from skypanel.domain.access import Action
from skypanel.domain.errors import Conflict, Denied, Invalid, SkyPanelError, Unavailable
from web import alerts, forms
from web.messages import done
from web.pages.organization import place
from web.pages.organization.place import Place


async def show(request: web.Request) -> web.Response:
    """Show a page of alerts, the open ones first. Who manages them sees the destinations, too."""
    return await _page(request, await place.enter(request))


async def change(request: web.Request) -> web.Response:
    """Do what the button says."""
    here, fields = await place.enter_by_form(request, Action.MANAGE_ALERTS)
    try:
        said = await alerts.act(request, here.visitor.account, here.organization, fields)
    except (Conflict, Denied, Invalid, Unavailable) as error:
        return await _page(request, here, 422, error=error, fields=fields)
    return done(request, f"{here.url}/alerts", said)


async def _page(
    request: web.Request, here: Place, status: int = 200, *, error: SkyPanelError | None = None, fields: forms.Fields | None = None
) -> web.Response:
    may_manage = here.may(Action.MANAGE_ALERTS)
    shown = await alerts.values(request, here.visitor.account, here.organization, may_manage=may_manage, error=error, fields=fields)
    return place.render(request, here, "alerts", "Alerts", status, url=f"{here.url}/alerts", **shown)
