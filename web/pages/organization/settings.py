"""The settings of an organization: its name, leaving it, and its end."""

from aiohttp import web

from skypanel.domain.access import Action
from skypanel.domain.deletion import OnDelete, check_confirmed, read_on_delete
from skypanel.domain.errors import Conflict, Invalid, NotFound, SkyPanelError, Unavailable
from skypanel.flow import deletion, figures, organizations
from web import forms
from web.keys import PANEL
from web.messages import done
from web.pages.organization import place
from web.pages.organization.place import Place


async def show(request: web.Request) -> web.Response:
    """Show what the visitor's role may change."""
    return await _page(request, await place.enter(request))


async def rename(request: web.Request) -> web.Response:
    """Rename the organization."""
    here, fields = await place.enter_by_form(request, Action.RENAME_ORGANIZATION)
    try:
        renamed = await organizations.rename(request.app[PANEL], here.organization, fields.get("name", ""), here.visitor.account)
    except (Conflict, Invalid) as error:
        return await _page(request, here, 422, failed="rename", error=error, fields=fields)
    return done(request, f"{here.url}/settings", f"It is called {renamed.name} now.")


async def delete(request: web.Request) -> web.Response:
    """Delete the organization, if its name is typed and the form says what happens to its apps."""
    here, fields = await place.enter_by_form(request, Action.DELETE_ORGANIZATION)
    panel, by, name = request.app[PANEL], here.visitor.account, here.organization.name
    try:
        check_confirmed(name, fields.get("confirm", ""))
        on_delete = read_on_delete(fields["apps"]) if fields.get("apps") else None
        to = await deletion.find_recipient(panel, by, fields.get("to", "")) if on_delete is OnDelete.REASSIGN else None
        await deletion.delete(panel, here.organization, by, on_delete, to=to, confirm=name)
    except (Conflict, Invalid, NotFound, Unavailable) as error:
        return await _page(request, here, 422, failed="delete", error=error, fields=fields)
    return done(request, "/apps", f"{name} is deleted.")


async def _page(
    request: web.Request,
    here: Place,
    status: int = 200,
    *,
    failed: str = "",
    error: SkyPanelError | None = None,
    fields: forms.Fields | None = None,
) -> web.Response:
    return place.render(
        request,
        here,
        "settings",
        "Settings",
        status,
        shown=await figures.summary(request.app[PANEL], here.organization.id),
        may={action.value for action in (Action.RENAME_ORGANIZATION, Action.DELETE_ORGANIZATION) if here.may(action)},
        others=[each for each, _ in here.visitor.organizations if each.id != here.organization.id],
        failed=failed,
        error=error,
        fields={name: (fields or {}).get(name, "") for name in ("name", "apps", "to")},
    )
