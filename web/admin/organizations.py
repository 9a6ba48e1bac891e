"""Administrators' pages for organizations: a list with usage and cost, and one organization with the actions on it."""

from collections.abc import Awaitable, Callable, Mapping

from aiohttp import web

from skypanel.domain.account import Account, Organization
from skypanel.domain.deletion import OnDelete, check_confirmed, read_on_delete
from skypanel.domain.errors import Conflict, Invalid, NotFound, SkyPanelError, Unavailable
from skypanel.domain.paging import Part
from skypanel.flow import billing, deletion, figures, organizations, suspension
from skypanel.ports.panel import Panel
from web import forms, paging
from web.admin.place import admin_page, administrator
from web.keys import PANEL
from web.messages import done
from web.session import Visitor

PATH = "/admin/organizations"
TAB = "Organizations"

Change = Callable[[Panel, Organization, Account], Awaitable[Organization]]

CHANGES: Mapping[str, Change] = {"suspend": suspension.hold, "resume": suspension.resume}


async def index(request: web.Request) -> web.Response:
    """Show a page of the organizations."""
    panel, visitor, text = request.app[PANEL], await administrator(request), request.query.get("q", "")
    part = await figures.search(panel, visitor.account, text, paging.number(request))
    money = await billing.formatter(panel)
    return admin_page(request, visitor, "organizations", TAB, part=part, q=text, money=money, pages=paging.numbered(request, part))


async def show(request: web.Request) -> web.Response:
    """Show one organization: its usage, and the actions on it."""
    visitor = await administrator(request)
    return await _page(request, visitor, await _organization(request, visitor))


async def change(request: web.Request) -> web.Response:
    """Suspend an organization, or resume it."""
    visitor = await administrator(request)
    fields = await forms.read(request)
    organization = await _organization(request, visitor)
    action = CHANGES.get(fields.get("change", ""))
    if action is None:
        raise Invalid("This is not an action of an organization.", "Use one of the buttons on the page.")
    after = await action(request.app[PANEL], organization, visitor.account)
    return done(request, f"{PATH}/{organization.id}", f"{after.name} is {'suspended: its apps stop' if after.held else 'resumed'}.")


async def delete(request: web.Request) -> web.Response:
    """Delete an organization, if the form says what happens to its apps."""
    panel, visitor = request.app[PANEL], await administrator(request)
    fields = await forms.read(request)
    organization = await _organization(request, visitor)
    try:
        check_confirmed(organization.name, fields.get("confirm", ""))
        on_delete = read_on_delete(fields["apps"]) if fields.get("apps") else None
        to = await deletion.find_recipient(panel, visitor.account, fields.get("to", "")) if on_delete is OnDelete.REASSIGN else None
        await deletion.delete(panel, organization, visitor.account, on_delete, to=to, confirm=fields.get("confirm", ""))
    except (Conflict, Invalid, NotFound, Unavailable) as error:
        return await _page(request, visitor, organization, 422, error=error, fields=fields)
    return done(request, PATH, f"{organization.name} is deleted.")


async def _organization(request: web.Request, visitor: Visitor) -> Organization:
    return await organizations.find(request.app[PANEL], visitor.account, request.match_info["organization"])


async def _page(
    request: web.Request,
    visitor: Visitor,
    organization: Organization,
    status: int = 200,
    *,
    error: SkyPanelError | None = None,
    fields: forms.Fields | None = None,
) -> web.Response:
    panel = request.app[PANEL]
    used = await figures.resource_usage(panel, organization, paging.number(request))
    part = Part(used.apps, paging.number(request), used.count)
    members = paging.numbered_part(request, await organizations.members(panel, organization), name="members")
    return admin_page(
        request,
        visitor,
        "organization",
        TAB,
        status,
        shown=await figures.one(panel, visitor.account, organization.id),
        members=members.items,
        pages_of_members=paging.numbered(request, members, "members"),
        used=used,
        part=part,
        pages=paging.numbered(request, part),
        error=error,
        fields={name: (fields or {}).get(name, "") for name in ("apps", "to")},
        money=await billing.formatter(panel),
    )
