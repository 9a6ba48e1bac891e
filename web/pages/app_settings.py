"""The settings of an app: its plan, health check, buildpacks and name, its transfer and its end."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from aiohttp import web

from skypanel.domain.access import Action, Role
from skypanel.domain.app import App
from skypanel.domain.errors import Invalid, SkyPanelError
from skypanel.domain.http_rules import OwnHttpRules
from skypanel.flow import apps, billing, branch, buildpacks, health, http_rules, plans, transfer
from skypanel.ports.panel import Panel
from web import forms, session
from web.forms import FormAction
from web.keys import PANEL
from web.messages import done
from web.pages import app_frame
from web.session import Visitor

TAB = "Settings"


@dataclass(frozen=True)
class Done:
    """Where a successful form leads, and what the next page says."""

    location: str
    message: str


Do = Callable[[Panel, App, Visitor, forms.Fields], Awaitable[Done]]


async def show(request: web.Request) -> web.Response:
    """Show the settings, and forms for those that the visitor may change."""
    return await _page(request, await app_frame.find(request))


async def change(request: web.Request) -> web.Response:
    """Do what the form asks. On an error, show the page again with what the visitor entered."""
    await session.visitor(request)
    fields = await forms.read(request)
    action = forms.chosen(fields, FORM_ACTIONS, Invalid("This form is unknown.", "Use a button of the page."))
    framed = await app_frame.find(request, action.needs)
    try:
        changed = await action.do(request.app[PANEL], framed.app, framed.visitor, fields)
    except SkyPanelError as error:
        return await _page(request, framed, 422, error=error, fields=fields)
    return done(request, changed.location, changed.message)


async def _plan(panel: Panel, app: App, visitor: Visitor, fields: forms.Fields) -> Done:
    await plans.move(panel, app, fields.get("plan", ""), visitor.account)
    return Done(_here(app), f"{app.name} moves to the plan {fields.get('plan', '')}.")


async def _health(panel: Panel, app: App, visitor: Visitor, fields: forms.Fields) -> Done:
    interval_s = forms.number(fields.get("interval", ""), Invalid("The interval is not a number of seconds.", "Write digits, such as 30."))
    await health.change(panel, app, visitor.account, path=fields.get("path", ""), interval_s=interval_s)
    return Done(_here(app), "The health check is saved.")


_NO_TIMEOUT = Invalid("The timeout is not a number of seconds.", "Write digits, such as 30, or nothing for the panel's setting.")
_REDIRECTS = {"": None, "yes": True, "no": False}


def _timeout(text: str) -> int | None:
    return forms.number(text.strip(), _NO_TIMEOUT) if text.strip() else None


async def _http(panel: Panel, app: App, visitor: Visitor, fields: forms.Fields) -> Done:
    wanted = OwnHttpRules(
        _timeout(fields.get("first_byte_timeout", "")),
        _timeout(fields.get("idle_timeout", "")),
        _REDIRECTS.get(fields.get("https_redirect", "")),
    )
    await http_rules.choose(panel, app, wanted, visitor.account)
    return Done(_here(app), "The timeouts and the redirect are saved.")


async def _buildpacks(panel: Panel, app: App, visitor: Visitor, fields: forms.Fields) -> Done:
    await buildpacks.choose(panel, app, fields.get("buildpacks", "").split(), visitor.account)
    return Done(_here(app), "The buildpacks are saved. The next build uses them.")


async def _branch(panel: Panel, app: App, visitor: Visitor, fields: forms.Fields) -> Done:
    changed = await branch.choose(panel, app, fields.get("branch", ""), visitor.account)
    return Done(_here(app), f"Pushes to {' or '.join(changed.deploy_branches)} deploy {app.name}.")


async def _rename(panel: Panel, app: App, visitor: Visitor, fields: forms.Fields) -> Done:
    renamed = await apps.rename(panel, app, fields.get("name", ""), visitor.account)
    return Done(_here(renamed), f"{app.name} is called {renamed.name} now.")


async def _transfer(panel: Panel, app: App, visitor: Visitor, fields: forms.Fields) -> Done:
    to = visitor.organization(fields.get("organization", ""))
    await transfer.transfer(panel, app, to, visitor.account)
    return Done(_here(app), f"{app.name} belongs to {to.name} now.")


async def _destroy(panel: Panel, app: App, visitor: Visitor, fields: forms.Fields) -> Done:
    if fields.get("confirm") != app.name:
        raise Invalid(f"What you typed is not the name {app.name}.", "Nothing was destroyed.")
    await apps.destroy(panel, app, visitor.account)
    return Done("/apps", f"{app.name} is destroyed.")


FORM_ACTIONS: Mapping[str, FormAction[Do]] = {
    "plan": FormAction(Action.SCALE_APP, _plan),
    "health": FormAction(Action.CONFIGURE_APP, _health),
    "http": FormAction(Action.CONFIGURE_APP, _http),
    "buildpacks": FormAction(Action.CONFIGURE_APP, _buildpacks),
    "branch": FormAction(Action.CONFIGURE_APP, _branch),
    "rename": FormAction(Action.RENAME_APP, _rename),
    "transfer": FormAction(Action.TRANSFER_APP, _transfer),
    "destroy": FormAction(Action.DESTROY_APP, _destroy),
}


_FIELDS = ("path", "interval", "buildpacks", "branch", "name", "first_byte_timeout", "idle_timeout", "https_redirect")


async def _page(
    request: web.Request,
    framed: app_frame.FramedApp,
    status: int = 200,
    *,
    error: SkyPanelError | None = None,
    fields: forms.Fields | None = None,
) -> web.Response:
    panel, entered = request.app[PANEL], fields or {}
    return app_frame.render(
        request,
        framed,
        "app/settings",
        TAB,
        status,
        plans=await plans.offered(panel),
        money=await billing.formatter(panel),
        may={name: framed.may(action.needs) for name, action in FORM_ACTIONS.items()},
        others=[each for each, role in framed.visitor.organizations if role >= Role.ADMIN and each.id != framed.app.organization_id],
        error=error,
        failed=entered.get("do", ""),
        http=await http_rules.in_force(panel, OwnHttpRules()),
        fields={name: entered.get(name, "") for name in _FIELDS},
    )


def _here(app: App) -> str:
    return f"/apps/{app.name}/settings"
