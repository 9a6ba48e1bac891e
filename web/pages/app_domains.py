"""An app's domains: the records to set for each, and what DNS says now."""

from collections.abc import Awaitable, Callable, Mapping

from aiohttp import web

from skypanel.domain.access import Action
from skypanel.domain.account import Account
from skypanel.domain.app import App
from skypanel.domain.certificate import Source
from skypanel.domain.errors import Invalid, SkyPanelError
from skypanel.flow import certificates, domains, uploaded_certificates
from skypanel.ports.panel import Panel
from web import forms, paging, session
from web.keys import PANEL
from web.messages import done
from web.pages import app_frame
from web.pages.app_frame import FramedApp

TAB = "Domains"

# Does what a button says with the fields of its form, and returns the message.
Do = Callable[[Panel, App, forms.Fields, Account], Awaitable[str]]


async def show(request: web.Request) -> web.Response:
    """Show the domains of an app, in order of name."""
    return await _page(request, await app_frame.find(request))


async def change(request: web.Request) -> web.Response:
    """Do what a button says. On an error, show the form again with what was entered."""
    panel, visitor = request.app[PANEL], await session.visitor(request)
    fields = await forms.read(request)
    framed = await app_frame.find(request, Action.CONFIGURE_APP)
    do = forms.chosen(fields, FORM_ACTIONS, Invalid("This is nothing that can be done with domains.", "Choose a button of the page."))
    try:
        text = await do(panel, framed.app, fields, visitor.account)
    except SkyPanelError as error:
        upload_failed = fields.get("do") == "upload"
        return await _page(request, framed, 422, error=error, typed=fields.get("name", ""), upload_failed=upload_failed)
    return done(request, f"/apps/{framed.app.name}/domains", text)


async def _add(panel: Panel, app: App, fields: forms.Fields, by: Account) -> str:
    domain = await domains.add(panel, app, fields.get("name", ""), by)
    return f"{domain.name} is added. Set its records now."


async def _check(panel: Panel, app: App, fields: forms.Fields, by: Account) -> str:
    domain = await domains.check(panel, app, await domains.find(panel, app, fields.get("name", "")), by)
    return domain.problem or f"{domain.name} is as it should be."


async def _remove(panel: Panel, app: App, fields: forms.Fields, by: Account) -> str:
    domain = await domains.find(panel, app, fields.get("name", ""))
    await domains.remove(panel, app, domain, by)
    return f"{domain.name} is removed."


async def _upload(panel: Panel, app: App, fields: forms.Fields, by: Account) -> str:
    given = {"chain": fields.get("chain", ""), "key": fields.get("key", "")}
    if replaced := fields.get("certificate", ""):
        known = await uploaded_certificates.find(panel, app, replaced)
        changed = await uploaded_certificates.change(panel, app, known, by, **given)
        return f"{changed.name} is replaced."
    added = await uploaded_certificates.add(panel, app, by, **given)
    return f"{added.name} is uploaded, for {', '.join(added.facts.names)}."


async def _remove_certificate(panel: Panel, app: App, fields: forms.Fields, by: Account) -> str:
    known = await uploaded_certificates.find(panel, app, fields.get("certificate", ""))
    await uploaded_certificates.remove(panel, app, known, by)
    return f"{known.name} is removed."


async def _automate(panel: Panel, app: App, _fields: forms.Fields, by: Account) -> str:
    await uploaded_certificates.automate(panel, app, by, on=True)
    return f"The panel orders certificates for the domains of {app.name}."


async def _stop_automation(panel: Panel, app: App, _fields: forms.Fields, by: Account) -> str:
    await uploaded_certificates.automate(panel, app, by, on=False)
    return f"The panel orders no certificates for the domains of {app.name}."


FORM_ACTIONS: Mapping[str, Do] = {
    "add": _add,
    "check": _check,
    "remove": _remove,
    "upload": _upload,
    "remove certificate": _remove_certificate,
    "automatic on": _automate,
    "automatic off": _stop_automation,
}


async def _page(
    request: web.Request,
    framed: FramedApp,
    status: int = 200,
    *,
    error: SkyPanelError | None = None,
    typed: str = "",
    upload_failed: bool = False,
) -> web.Response:
    panel = request.app[PANEL]
    part = paging.numbered_part(request, await domains.listed(panel, framed.app))
    return app_frame.render(
        request,
        framed,
        "app/domains",
        TAB,
        status,
        guides=await domains.guides(panel, framed.app, part.items),
        certificates=await certificates.states(panel, [each.name for each in part.items if each.is_verified]),
        uploaded=[each for each in await uploaded_certificates.listed(panel, framed.app) if each.source is Source.UPLOADED],
        pages=paging.numbered(request, part),
        target=panel.address.host(framed.app.name),
        may_change=framed.may(Action.CONFIGURE_APP),
        error=error,
        typed=typed,
        upload_failed=upload_failed,
    )
