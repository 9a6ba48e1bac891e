"""An organization at a glance, and the form that makes one."""

from aiohttp import web

from skypanel.domain.access import Action, runs_platform
from skypanel.domain.errors import Conflict, Hidden, Invalid, SkyPanelError
from skypanel.domain.paging import Part
from skypanel.flow import billing, figures, organizations
from web import forms, paging, session
from web.keys import PANEL
from web.messages import keep
from web.pages.organization import place
from web.places import organization_url
from web.rendering import page_for
from web.session import Visitor


async def show(request: web.Request) -> web.Response:
    """Show the organization's apps with what each uses, and its figures. Administrators who are no members get to its page for them."""
    try:
        here = await place.enter(request)
    except Hidden:
        visitor = await session.visitor(request)
        if not runs_platform(visitor.account):
            raise
        return web.Response(status=307, headers={"Location": f"/admin{request.path}"})
    panel = request.app[PANEL]
    used = await figures.resource_usage(panel, here.organization, paging.number(request))
    shown = await figures.summary(panel, here.organization.id)
    balance = shown.balance if here.may(Action.VIEW_WALLET) else None
    part, money = Part(used.apps, paging.number(request), used.count), await billing.formatter(panel)
    pages = paging.numbered(request, part)
    return place.render(request, here, "overview", "Overview", used=used, part=part, pages=pages, shown=shown, balance=balance, money=money)


async def new(request: web.Request) -> web.Response:
    """Show the form that makes an organization."""
    return _form(request, await session.visitor(request))


async def create(request: web.Request) -> web.Response:
    """Make an organization that the visitor owns, and act for it."""
    panel, visitor = request.app[PANEL], await session.visitor(request)
    fields = await forms.read(request)
    try:
        made = await organizations.create(panel, visitor.account, fields.get("name", ""))
    except (Conflict, Invalid) as error:
        return _form(request, visitor, 422, error=error, name=fields.get("name", ""))
    response = web.Response(status=303, headers={"Location": organization_url(made)})
    session.act_for(request, response, made)
    keep(request, response, f"{made.name} is yours. Add its people next.")
    return response


def _form(request: web.Request, visitor: Visitor, status: int = 200, *, error: SkyPanelError | None = None, name: str = "") -> web.Response:
    return page_for(request, visitor, "organization/new", status, place="organization", error=error, name=name)
