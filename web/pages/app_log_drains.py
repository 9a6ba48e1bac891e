"""The log drains of an app."""

from collections.abc import Awaitable, Callable, Mapping

from aiohttp import web

from skypanel.domain.access import Action
from skypanel.domain.account import Account
from skypanel.domain.app import App
from skypanel.domain.errors import Invalid, SkyPanelError
from skypanel.domain.log_drain import MAX_URL_LENGTH
from skypanel.flow import log_drains
from skypanel.ports.panel import Panel
from web import forms, session
from web.keys import PANEL
from web.messages import done
from web.pages import app_frame
from web.pages.app_frame import FramedApp

# Each returns what the page says.
Do = Callable[[Panel, App, Account, forms.Fields], Awaitable[str]]


async def show(request: web.Request) -> web.Response:
    """Show the log drains."""
    return await _page(request, await app_frame.find(request, Action.CONFIGURE_APP))


async def change(request: web.Request) -> web.Response:
    """Do what the button says."""
    await session.visitor(request)
    fields = await forms.read(request)
    act = forms.chosen(fields, FORM_ACTIONS, Invalid("This is not an action of log drains.", "Use one of the buttons on the page."))
    framed = await app_frame.find(request, Action.CONFIGURE_APP)
    try:
        said = await act(request.app[PANEL], framed.app, framed.visitor.account, fields)
    except SkyPanelError as error:
        return await _page(request, framed, 422, error=error, url=fields.get("url", ""))
    return done(request, f"/apps/{framed.app.name}/log-drains", said)


async def _add(panel: Panel, app: App, by: Account, fields: forms.Fields) -> str:
    made = await log_drains.add(panel, app, by, fields.get("url", "").strip())
    return f"The log goes to {made.shown} from now on."


async def _remove(panel: Panel, app: App, by: Account, fields: forms.Fields) -> str:
    removed = await log_drains.remove(panel, app, by, fields.get("id", ""))
    return f"The log drain to {removed.shown} is removed."


FORM_ACTIONS: Mapping[str, Do] = {"add": _add, "remove": _remove}


async def _page(
    request: web.Request, framed: FramedApp, status: int = 200, *, error: SkyPanelError | None = None, url: str = ""
) -> web.Response:
    drains = await log_drains.of(request.app[PANEL], framed.app)
    return app_frame.render(
        request, framed, "app/log_drains", "Settings", status, drains=drains, error=error, url=url, max_length=MAX_URL_LENGTH
    )
