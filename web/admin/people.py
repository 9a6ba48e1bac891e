"""The pages of people: a list to search in, and one account with what can be done to it."""

from collections.abc import Awaitable, Callable, Mapping

from aiohttp import web

from skypanel.domain.account import Account
from skypanel.domain.errors import Conflict, Invalid, SkyPanelError
from skypanel.domain.paging import page_number
from skypanel.flow import people
from skypanel.flow.invitation import Invitation
from skypanel.ports.panel import Panel
from web import forms, paging
from web.admin.place import admin_page, administrator
from web.keys import PANEL
from web.messages import done
from web.session import Visitor

PATH = "/admin/people"
TAB = "People"

Change = Callable[[Panel, Account, Account], Awaitable[None]]
# What each button does, and what the next page says.
CHANGES: Mapping[str, tuple[Change, str]] = {
    "disable": (people.disable, "is disabled, and signed out everywhere."),
    "enable": (people.enable, "is enabled."),
    "promote": (people.promote, "is an administrator."),
    "demote": (people.demote, "is no longer an administrator."),
}


async def index(request: web.Request) -> web.Response:
    """Show a page of the accounts, and the form that invites somebody."""
    return await _index(request, await administrator(request))


async def invite(request: web.Request) -> web.Response:
    """Make an account, and show its link, this once."""
    visitor, fields = await administrator(request), await forms.read(request)
    try:
        invitation = await people.invite(request.app[PANEL], fields.get("email", ""), visitor.account)
    except (Conflict, Invalid) as error:
        return await _index(request, visitor, 422, error=error, email=fields.get("email", ""))
    return await _index(request, visitor, invitation=invitation)


async def show(request: web.Request) -> web.Response:
    """Show one account."""
    visitor = await administrator(request)
    return await _one(request, visitor, await _account(request, visitor))


async def change(request: web.Request) -> web.Response:
    """Disable, enable, promote or demote an account, or make a link that resets its password and show it, this once."""
    panel, visitor = request.app[PANEL], await administrator(request)
    fields, account = await forms.read(request), await _account(request, visitor)
    wanted = fields.get("do", "")
    try:
        if wanted == "reset":
            is_lost = fields.get("second_factors") == "yes"
            invitation = await people.reset(panel, account, visitor.account, second_factors=is_lost)
            return await _one(request, visitor, account, invitation=invitation)
        act, said = _wanted(wanted)
        await act(panel, account, visitor.account)
    except (Conflict, Invalid) as error:
        return await _one(request, visitor, account, 422, error=error)
    return done(request, f"{PATH}/{account.id}", f"{account.email} {said}")


def _wanted(button: str) -> tuple[Change, str]:
    if button not in CHANGES:
        raise Invalid("This is not an action of an account.", "Use one of the buttons on the page.")
    return CHANGES[button]


async def _account(request: web.Request, visitor: Visitor) -> Account:
    return await people.find(request.app[PANEL], visitor.account, request.match_info["account"])


async def _index(
    request: web.Request,
    visitor: Visitor,
    status: int = 200,
    *,
    error: SkyPanelError | None = None,
    invitation: Invitation | None = None,
    email: str = "",
) -> web.Response:
    panel, text = request.app[PANEL], request.query.get("q", "")
    part = await people.search(panel, visitor.account, text, page_number(request.query.get("page", "")))
    link = invitation.url(panel.address) if invitation else None
    values = {"part": part, "q": text, "error": error, "invitation": invitation, "link": link, "email": email}
    return admin_page(request, visitor, "people", TAB, status, pages=paging.numbered(request, part), **values)


async def _one(
    request: web.Request,
    visitor: Visitor,
    account: Account,
    status: int = 200,
    *,
    error: SkyPanelError | None = None,
    invitation: Invitation | None = None,
) -> web.Response:
    panel = request.app[PANEL]
    shown = await people.show(panel, account, visitor.account)
    link = invitation.url(panel.address) if invitation else None
    return admin_page(
        request,
        visitor,
        "person",
        TAB,
        status,
        shown=shown,
        error=error,
        invitation=invitation,
        link=link,
        is_self=account.id == visitor.account.id,
    )
