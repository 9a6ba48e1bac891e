"""Who may do what on an app: members of its organization, collaborators, and an offer of the app."""

from collections.abc import Awaitable, Callable, Mapping

from aiohttp import web

from skypanel.domain.access import HIGHEST_COLLABORATOR, Action, Role, read_role, runs_platform
from skypanel.domain.account import Account
from skypanel.domain.app import App
from skypanel.domain.errors import Conflict, Invalid, NotFound, SkyPanelError, Unavailable
from skypanel.flow import collaborators, mail, transfer
from skypanel.flow.invitation import Invitation
from skypanel.ports.panel import Panel
from web import forms, paging, session
from web.forms import FormAction
from web.keys import PANEL
from web.messages import done
from web.pages import app_frame
from web.pages.app_frame import FramedApp

Result = Invitation | str
Do = Callable[[Panel, App, Account, forms.Fields], Awaitable[Result]]


async def show(request: web.Request) -> web.Response:
    """Show who has access, and from where."""
    return await _page(request, await app_frame.find(request))


async def change(request: web.Request) -> web.Response:
    """Do what the button says. A new sign-in link is shown once, on the page itself."""
    visitor, fields = await session.visitor(request), await forms.read(request)
    action = forms.chosen(
        fields, FORM_ACTIONS, Invalid("This is nothing that can be done to who has access.", "Choose a button of the page.")
    )
    is_leaving = fields.get("do") == "remove" and fields.get("email") == visitor.account.email
    # Everybody may give up their own access.
    framed = await app_frame.find(request, Action.VIEW_APP if is_leaving else action.needs)
    try:
        result = await action.do(request.app[PANEL], framed.app, visitor.account, fields)
    except (Conflict, Invalid, NotFound, Unavailable) as error:
        return await _page(request, framed, 422, error=error, fields=fields)
    if isinstance(result, Invitation):
        if result.link is not None:
            return await _page(request, framed, invitation=result)
        result = f"{result.account.email} has access. {result.mail_note}".strip()
    return done(request, "/apps" if is_leaving else f"/apps/{framed.app.name}/access", result)


async def _add(panel: Panel, app: App, by: Account, fields: forms.Fields) -> Result:
    return await collaborators.add(panel, app, fields.get("email", ""), read_role(fields.get("role", ""), HIGHEST_COLLABORATOR), by)


async def _invite(panel: Panel, app: App, by: Account, fields: forms.Fields) -> Result:
    return await collaborators.invite_again(panel, app, fields.get("email", ""), by)


async def _remove(panel: Panel, app: App, by: Account, fields: forms.Fields) -> Result:
    email = fields.get("email", "")
    await collaborators.remove(panel, app, email, by)
    return f"{email} has no access to {app.name} any more."


async def _withdraw(panel: Panel, app: App, by: Account, _fields: forms.Fields) -> Result:
    offer = await transfer.pending(panel, app)
    if offer is None:
        raise NotFound(f"{app.name} is not offered to anybody.", "It was accepted, declined or withdrawn.")
    await transfer.withdraw(panel, offer, by)
    return f"{app.name} is not offered any more."


FORM_ACTIONS: Mapping[str, FormAction[Do]] = {
    "add": FormAction(Action.SHARE_APP, _add),
    "invite": FormAction(Action.SHARE_APP, _invite),
    "remove": FormAction(Action.SHARE_APP, _remove),
    "withdraw": FormAction(Action.TRANSFER_APP, _withdraw),
}


async def _page(
    request: web.Request,
    framed: FramedApp,
    status: int = 200,
    *,
    error: SkyPanelError | None = None,
    fields: forms.Fields | None = None,
    invitation: Invitation | None = None,
) -> web.Response:
    panel, by = request.app[PANEL], framed.visitor.account
    members, others = await collaborators.divided(panel, framed.app, by)
    part, of_members = paging.numbered_part(request, others, paging.PEOPLE), paging.numbered_part(request, members, name="members")
    return app_frame.render(
        request,
        framed,
        "app/access",
        "Access",
        status,
        members=of_members.items,
        pages_of_members=paging.numbered(request, of_members, "members"),
        part=part,
        pages=paging.numbered(request, part),
        offer=await transfer.pending(panel, framed.app) if framed.may(Action.TRANSFER_APP) else None,
        roles=[role for role in Role if role <= HIGHEST_COLLABORATOR] if framed.may(Action.SHARE_APP) else [],
        may_invite=framed.may(Action.SHARE_APP) and (runs_platform(by) or await mail.server(panel) is not None),
        invitation=invitation,
        link=invitation.url(panel.address) if invitation else None,
        error=error,
        fields={name: (fields or {}).get(name, "") for name in ("email", "role")},
    )
