"""The page that deploys an app from a git URL."""

from collections.abc import Awaitable, Callable, Mapping

from aiohttp import web

from skypanel.domain.access import Action, allows
from skypanel.domain.account import Account
from skypanel.domain.app import App
from skypanel.domain.deploy import Deploy
from skypanel.domain.errors import Invalid, SkyPanelError
from skypanel.flow import apps
from skypanel.flow import remote as remote_flow
from skypanel.ports.panel import Panel
from web import forms, live, session
from web.forms import FormAction
from web.keys import PANEL
from web.rendering import page_for
from web.session import Visitor

Do = Callable[[Panel, App, Account, forms.Fields], Awaitable[str]]


async def show(request: web.Request) -> web.Response:
    """Show the app's git URL and deploy key, and the form that sets them."""
    visitor = await session.visitor(request)
    app = await apps.access(request.app[PANEL], visitor.account, request.match_info["app"], Action.VIEW_APP)
    return await _page(request, visitor, app)


async def change(request: web.Request) -> web.Response:
    """Run the button's action. On an error, show the form again with the values that the user entered."""
    panel, visitor = request.app[PANEL], await session.visitor(request)
    fields = await forms.read(request)
    action = forms.chosen(fields, FORM_ACTIONS, Invalid("This is not an action of a git URL.", "Use one of the buttons on the page."))
    app = await apps.access(panel, visitor.account, request.match_info["app"], action.needs)
    try:
        location = await action.do(panel, app, visitor.account, fields)
    except SkyPanelError as error:
        return await _page(request, visitor, app, 422, error=error, fields=fields)
    return web.Response(status=303, headers={"Location": location})


async def _save(panel: Panel, app: App, by: Account, fields: forms.Fields) -> str:
    await remote_flow.choose(panel, app, by, fields.get("url", ""), fields.get("branch", ""))
    return _path(app)


async def _deploy(panel: Panel, app: App, by: Account, _fields: forms.Fields) -> str:
    return live.url(Deploy(app, await remote_flow.deploy(panel, app, by, _discard), None, None))


async def _make_key(panel: Panel, app: App, by: Account, _fields: forms.Fields) -> str:
    await remote_flow.deploy_key(panel, app, by)
    return _path(app)


async def _clear(panel: Panel, app: App, by: Account, _fields: forms.Fields) -> str:
    await remote_flow.clear(panel, app, by)
    return _path(app)


FORM_ACTIONS: Mapping[str, FormAction[Do]] = {
    "save": FormAction(Action.CONFIGURE_APP, _save),
    "deploy": FormAction(Action.PUSH, _deploy),
    "key": FormAction(Action.CONFIGURE_APP, _make_key),
    "clear": FormAction(Action.CONFIGURE_APP, _clear),
}


async def _discard(_line: str) -> None:
    """Discard messages about the commit: the build's page shows them."""


async def _page(
    request: web.Request,
    visitor: Visitor,
    app: App,
    status: int = 200,
    *,
    error: SkyPanelError | None = None,
    fields: forms.Fields | None = None,
) -> web.Response:
    panel = request.app[PANEL]
    shown = await remote_flow.show(panel, app)
    role = await apps.role(panel, app, visitor.account)
    values = {"url": str(shown.remote.url), "branch": shown.remote.branch} if shown.remote else {"url": "", "branch": ""}
    if fields is not None and fields.get("do") == "save":
        values = {name: fields.get(name, "") for name in values}
    key = panel.machines.fingerprint(shown.remote.host_key) if shown.remote and shown.remote.host_key else None
    may = {name: allows(role, action.needs) for name, action in FORM_ACTIONS.items()}
    return page_for(
        request, visitor, "remote", status, place="apps", app=app, shown=shown, host_key=key, fields=values, may=may, error=error
    )


def _path(app: App) -> str:
    return f"/apps/{app.name}/remote"
