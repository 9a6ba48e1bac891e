"""The members of an organization: add, invite again, change roles, remove, leave."""

from collections.abc import Awaitable, Callable, Mapping

from aiohttp import web

from skypanel.domain.access import Action, Role, managing, read_role, runs_platform
from skypanel.domain.account import Account, Organization
from skypanel.domain.errors import Conflict, Invalid, NotFound, SkyPanelError, Unavailable
from skypanel.flow import mail, organizations
from skypanel.flow.invitation import Invitation
from skypanel.ports.panel import Panel
from web import forms, paging
from web.keys import PANEL
from web.messages import done
from web.pages.organization import place
from web.pages.organization.place import Place

Result = Invitation | str
Do = Callable[[Panel, Organization, Account, forms.Fields], Awaitable[Result]]


async def show(request: web.Request) -> web.Response:
    """Show the members with their roles."""
    return await _page(request, await place.enter(request))


async def change(request: web.Request) -> web.Response:
    """Do what the button says. A new sign-in link is shown once, on the page itself."""
    here, fields = await place.enter_by_form(request)
    action = forms.chosen(fields, FORM_ACTIONS, Invalid("This is nothing that can be done to members.", "Choose a button of the page."))
    try:
        result = await action(request.app[PANEL], here.organization, here.visitor.account, fields)
    except (Conflict, Invalid, NotFound, Unavailable) as error:
        return await _page(request, here, 422, error=error, fields=fields)
    if isinstance(result, Invitation):
        if result.link is not None:
            return await _page(request, here, invitation=result)
        result = f"{result.account.email} is a member. {result.mail_note}".strip()
    is_leaving = fields.get("do") == "remove" and fields.get("email") == here.visitor.account.email
    return done(request, "/apps" if is_leaving else f"{here.url}/people", result)


async def _add(panel: Panel, organization: Organization, by: Account, fields: forms.Fields) -> Result:
    return await organizations.add_member(panel, organization, fields.get("email", ""), read_role(fields.get("role", "")), by)


async def _invite(panel: Panel, organization: Organization, by: Account, fields: forms.Fields) -> Result:
    return await organizations.invite_again(panel, organization, fields.get("email", ""), by)


async def _change(panel: Panel, organization: Organization, by: Account, fields: forms.Fields) -> Result:
    email, role = fields.get("email", ""), read_role(fields.get("role", ""))
    await organizations.change_role(panel, organization, email, role, by)
    return f"{email} is {'an' if role in {Role.ADMIN, Role.OWNER} else 'a'} {role.word} now."


async def _remove(panel: Panel, organization: Organization, by: Account, fields: forms.Fields) -> Result:
    email = fields.get("email", "")
    await organizations.remove_member(panel, organization, email, by)
    return f"You have left {organization.name}." if email == by.email else f"{email} is no member any more."


FORM_ACTIONS: Mapping[str, Do] = {"add": _add, "invite": _invite, "change": _change, "remove": _remove}


async def _page(
    request: web.Request,
    here: Place,
    status: int = 200,
    *,
    error: SkyPanelError | None = None,
    fields: forms.Fields | None = None,
    invitation: Invitation | None = None,
) -> web.Response:
    panel, by = request.app[PANEL], here.visitor.account
    part = paging.numbered_part(request, await organizations.people(panel, here.organization), paging.PEOPLE)
    return place.render(
        request,
        here,
        "people",
        "People",
        status,
        part=part,
        pages=paging.numbered(request, part),
        roles=[role for role in Role if here.may(managing(role))],
        may_invite=here.may(Action.MANAGE_MEMBERS) and (runs_platform(by) or await mail.server(panel) is not None),
        invitation=invitation,
        link=invitation.url(panel.address) if invitation else None,
        error=error,
        fields={name: (fields or {}).get(name, "") for name in ("email", "role")},
    )
