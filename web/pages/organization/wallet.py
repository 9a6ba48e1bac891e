"""The wallet of an organization, for those who may see it."""

from aiohttp import web

from skypanel.domain.access import Action, allows
from skypanel.flow import billing, wallet
from web import paging, session
from web.keys import PANEL
from web.pages.organization import place
from web.places import organization_url


async def show(request: web.Request) -> web.Response:
    """Show the balance, and a page of entries."""
    panel, here = request.app[PANEL], await place.enter(request, Action.VIEW_WALLET)
    shown = await wallet.statement(panel, here.organization, paging.cursor(request))
    pages = paging.neighbours(request, shown.entries)
    return place.render(request, here, "billing", "Billing", wallet=shown, money=await billing.formatter(panel), pages=pages)


async def redirect(request: web.Request) -> web.Response:
    """Lead from the old address to what the visitor may see of the costs."""
    visitor = await session.visitor(request)
    if visitor.acting_for is None:
        raise web.HTTPSeeOther("/organizations/new")
    role = next(role for each, role in visitor.organizations if each == visitor.acting_for)
    page = "billing" if allows(role, Action.VIEW_WALLET) else "usage"
    raise web.HTTPSeeOther(f"{organization_url(visitor.acting_for)}/{page}")
