"""An app's config vars. They are write-only: the page shows names, who set them when, and fingerprints."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from aiohttp import web

from skypanel.domain import config_vars as rules
from skypanel.domain.access import Action
from skypanel.domain.account import Account
from skypanel.domain.app import App
from skypanel.domain.errors import Invalid, SkyPanelError
from skypanel.domain.paging import page_number
from skypanel.flow import apps, config, environment
from skypanel.flow.environment import Preview
from skypanel.ports.panel import Panel
from web import forms, paging, session
from web.keys import PANEL
from web.messages import done
from web.pages import app_frame

TAB = "Environment"
# A form may name every config var of an app.
MAX_FIELDS = 1000
CHOSEN = "choose."


@dataclass(frozen=True)
class Entered:
    """What a form sent that was not saved, to be shown in it again; `preview` is what saving the text would do."""

    fields: forms.Fields = field(default_factory=dict, repr=False)
    error: SkyPanelError | None = None
    preview: Preview | None = None


# Does what a button says, and returns the message.
Do = Callable[[Panel, App, Account, forms.Fields], Awaitable[str]]


async def show(request: web.Request) -> web.Response:
    """Show the config vars and the history of changes; `key` fills in the form to set one."""
    return await _page(request, Entered({"key": request.query.get("key", "")[: rules.MAX_KEY_LENGTH]}))


async def change(request: web.Request) -> web.Response:
    """Do what a button says. On an error, show the form again with what was entered."""
    panel, visitor = request.app[PANEL], await session.visitor(request)
    fields = await forms.read(request, MAX_FIELDS)
    do = fields.get("do", "")
    app = await apps.access(panel, visitor.account, request.match_info["app"], Action.CONFIGURE_APP)
    if do == "preview":
        return await _page(request, Entered(fields, preview=await environment.preview(panel, app, fields.get("text", ""))))
    if do not in FORM_ACTIONS:
        raise Invalid("This is nothing that can be done with config vars.", "Choose a button of the page.")
    try:
        text = await FORM_ACTIONS[do](panel, app, visitor.account, fields)
    except SkyPanelError as error:
        preview = await environment.preview(panel, app, fields.get("text", "")) if do == "paste" else None
        return await _page(request, Entered(fields, error, preview), 422)
    return done(request, f"/apps/{app.name}/environment", text)


async def _set(panel: Panel, app: App, by: Account, fields: forms.Fields) -> str:
    key = fields.get("key", "").strip()
    # Browsers send the line ends of a text area as CRLF.
    rollout = await config.change(panel, app, {key: fields.get("value", "").replace("\r\n", "\n")}, by)
    return f"{key} is set. {_follows(rollout is not None)}"


async def _remove(panel: Panel, app: App, by: Account, fields: forms.Fields) -> str:
    keys = [name.removeprefix(CHOSEN) for name in fields if name.startswith(CHOSEN)]
    rollout = await environment.remove(panel, app, keys, by)
    return f"{', '.join(keys)} {'is' if len(keys) == 1 else 'are'} removed. {_follows(rollout is not None)}"


async def _paste(panel: Panel, app: App, by: Account, fields: forms.Fields) -> str:
    rollout = await environment.paste(panel, app, fields.get("text", ""), by)
    return f"The config vars are saved. {_follows(rollout is not None)}"


def _follows(is_released: bool) -> str:  # noqa: FBT001 - the only argument
    return "A new release starts with them." if is_released else "The next release has them."


FORM_ACTIONS: dict[str, Do] = {"set": _set, "remove": _remove, "paste": _paste}


async def _page(request: web.Request, entered: Entered, status: int = 200) -> web.Response:
    framed = await app_frame.find(request)
    below, above = (_number(request.query.get(name, "")) for name in ("older", "newer"))
    number = page_number(request.query.get("page", ""))
    found = await environment.read(request.app[PANEL], framed.app, framed.visitor.account, number=number, below=below, above=above)
    pages = paging.numbered(request, found.variables)
    return app_frame.render(request, framed, "app/environment", TAB, status, environment=found, pages=pages, entered=entered)


def _number(text: str) -> int | None:
    return forms.number(text, Invalid("This is not a change.", "Choose a page of the history.")) if text else None
