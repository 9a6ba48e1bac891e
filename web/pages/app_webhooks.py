"""The webhooks of an app, and what was sent to them."""

from collections.abc import Awaitable, Callable, Mapping
from uuid import UUID

from aiohttp import web

from skypanel.domain.access import Action
from skypanel.domain.account import Account
from skypanel.domain.app import App
from skypanel.domain.errors import Invalid, SkyPanelError
from skypanel.domain.ids import WebhookId
from skypanel.domain.paging import PAGE_SIZE, Part, page_number
from skypanel.domain.webhook import ENTITIES, KEPT, Delivery, WebhookLevel
from skypanel.flow import webhooks
from skypanel.ports.panel import Panel
from web import forms, paging, session
from web.keys import PANEL
from web.messages import done
from web.pages import app_frame
from web.pages.app_frame import FramedApp

LEVELS: Mapping[WebhookLevel, str] = {WebhookLevel.SYNC: "until it succeeds, for up to 3 days", WebhookLevel.NOTIFY: "once"}

# Each returns the new secret, which the page shows once, or None, and what the page says.
Do = Callable[[Panel, App, Account, forms.Fields], Awaitable[tuple[str | None, str]]]


async def show(request: web.Request) -> web.Response:
    """Show the webhooks and the newest deliveries."""
    return await _page(request, await app_frame.find(request, Action.CONFIGURE_APP))


async def change(request: web.Request) -> web.Response:
    """Do what the button says. A new secret is shown once, on the page itself."""
    await session.visitor(request)
    fields = await forms.read(request)
    act = forms.chosen(fields, FORM_ACTIONS, Invalid("This is not an action of webhooks.", "Use one of the buttons on the page."))
    framed = await app_frame.find(request, Action.CONFIGURE_APP)
    try:
        secret, said = await act(request.app[PANEL], framed.app, framed.visitor.account, fields)
    except SkyPanelError as error:
        return await _page(request, framed, 422, error=error, fields=fields)
    return await _page(request, framed, secret=secret) if secret else done(request, f"/apps/{framed.app.name}/webhooks", said)


async def _add(panel: Panel, app: App, by: Account, fields: forms.Fields) -> tuple[str | None, str]:
    values = {
        "url": fields.get("url", "").strip(),
        "include": [name for name in ENTITIES if f"include.{name}" in fields],
        "level": fields.get("level", ""),
        "authorization": fields.get("authorization", ""),
    }
    _, secret = await webhooks.add(panel, app, by, values)
    return secret, ""


async def _remove(panel: Panel, app: App, by: Account, fields: forms.Fields) -> tuple[str | None, str]:
    removed = await webhooks.remove(panel, app, by, _id(fields))
    return None, f"The webhook to {removed.host} is removed."


async def _rotate(panel: Panel, app: App, by: Account, fields: forms.Fields) -> tuple[str | None, str]:
    secret = webhooks.new_secret()
    await webhooks.change(panel, app, by, _id(fields), {"secret": secret})
    return secret, ""


FORM_ACTIONS: Mapping[str, Do] = {"add": _add, "remove": _remove, "rotate": _rotate}


def _id(fields: forms.Fields) -> WebhookId:
    try:
        return WebhookId(UUID(fields.get("id", "")))
    except ValueError:
        raise Invalid("This names no webhook.", "Choose one of the list.") from None


async def _page(
    request: web.Request,
    framed: FramedApp,
    status: int = 200,
    *,
    error: SkyPanelError | None = None,
    fields: forms.Fields | None = None,
    secret: str | None = None,
) -> web.Response:
    panel = request.app[PANEL]
    part = await _deliveries(request, framed.app)
    return app_frame.render(
        request,
        framed,
        "app/webhooks",
        "Settings",
        status,
        webhooks=await webhooks.of(panel, framed.app),
        part=part,
        pages=paging.numbered(request, part),
        entities=ENTITIES,
        levels=LEVELS,
        kept_days=KEPT.days,
        error=error,
        fields={name: (fields or {}).get(name, "") for name in ("url", "level")},
        chosen=[name for name in ENTITIES if fields is None or f"include.{name}" in fields],
        secret=secret,
    )


async def _deliveries(request: web.Request, app: App) -> Part[Delivery]:
    """Return a page of the deliveries. Of those behind it, one at most counts: there may be very many."""
    number = page_number(request.query.get("page", ""))
    before = (number - 1) * PAGE_SIZE
    found = await webhooks.deliveries(request.app[PANEL], app, PAGE_SIZE + 1, offset=before)
    return Part(found[:PAGE_SIZE], number, before + len(found))
