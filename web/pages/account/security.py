"""Two-factor sign-in and passkeys."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import asdict
from uuid import UUID

from aiohttp import web

from skypanel.domain.errors import Invalid, SkyPanelError
from skypanel.domain.ids import PasskeyId
from skypanel.flow import passkeys, two_factor
from web import forms, qr, session
from web.keys import PANEL, client
from web.messages import done
from web.passkeys import party
from web.rendering import page_for
from web.session import Visitor

PATH = "/account/security"

Codes = Sequence[str]
Do = Callable[[web.Request, Visitor, str], Awaitable[Codes]]


async def show(request: web.Request) -> web.Response:
    """Show two-factor sign-in, a setup that is not finished, and the passkeys."""
    return await _page(request, await session.visitor(request))


async def change(request: web.Request) -> web.Response:
    """Run the button's action. New recovery codes are in the answer, and on no other page."""
    visitor, fields = await session.visitor(request), await forms.read(request)
    button = BUTTONS.get(fields.get("do", ""))
    if button is None:
        raise Invalid("This is not an action of this page.", "Choose a button of the page.")
    action, message = button
    try:
        codes = await action(request, visitor, fields.get("code", ""))
    except SkyPanelError as error:
        return await _page(request, visitor, 422, code_error=error)
    return await _page(request, visitor, codes=codes) if codes else done(request, PATH, message)


async def code(request: web.Request) -> web.Response:
    """Return the QR code of a setup that is not finished."""
    visitor = await session.visitor(request)
    setup = await two_factor.setup(request.app[PANEL], visitor.account)
    if setup is None:
        raise web.HTTPNotFound
    return web.Response(body=qr.svg(setup.url), content_type="image/svg+xml", headers={"Cache-Control": "no-store"})


async def passkey_question(request: web.Request) -> web.Response:
    """Return what the browser is to ask for a new passkey, as JSON."""
    visitor = await session.visitor(request)
    await forms.read(request)
    question = await passkeys.question_to_add(request.app[PANEL], visitor.account, party(request))
    return web.json_response(asdict(question), headers={"Cache-Control": "no-store"})


async def add_passkey(request: web.Request) -> web.Response:
    """Add the passkey that the browser made."""
    panel, visitor = request.app[PANEL], await session.visitor(request)
    fields = await forms.read(request)
    answer = (fields.get("name", ""), fields.get("challenge", ""), fields.get("answer", ""))
    try:
        added = await passkeys.add(panel, visitor.account, party(request), *answer)
    except SkyPanelError as error:
        return await _page(request, visitor, 422, passkey_error=error)
    return done(request, PATH, f"The passkey {added.name} is added. You can sign in by it now.")


async def remove_passkey(request: web.Request) -> web.Response:
    """Remove a passkey."""
    visitor, fields = await session.visitor(request), await forms.read(request)
    try:
        passkey_id = PasskeyId(UUID(fields.get("id", "")))
    except ValueError:
        raise Invalid("This names no passkey.", "Choose one of the list.") from None
    await passkeys.remove(request.app[PANEL], visitor.account, passkey_id)
    return done(request, PATH, "The passkey is removed: it can no longer sign in.")


async def _begin(request: web.Request, visitor: Visitor, _code: str) -> Codes:
    await two_factor.begin(request.app[PANEL], visitor.account)
    return ()


async def _confirm(request: web.Request, visitor: Visitor, code: str) -> Codes:
    return await two_factor.confirm(request.app[PANEL], visitor.account, code, client(request))


async def _renew(request: web.Request, visitor: Visitor, code: str) -> Codes:
    return await two_factor.renew_codes(request.app[PANEL], visitor.account, code, client(request))


async def _disable(request: web.Request, visitor: Visitor, code: str) -> Codes:
    await two_factor.disable(request.app[PANEL], visitor.account, code, client(request))
    return ()


BUTTONS: Mapping[str, tuple[Do, str]] = {
    "begin": (_begin, "Scan the QR code with an app, then type in its code."),
    "confirm": (_confirm, ""),
    "codes": (_renew, ""),
    "disable": (_disable, "Two-factor sign-in is off."),
}


async def _page(
    request: web.Request,
    visitor: Visitor,
    status: int = 200,
    *,
    codes: Codes = (),
    code_error: SkyPanelError | None = None,
    passkey_error: SkyPanelError | None = None,
) -> web.Response:
    panel, account = request.app[PANEL], visitor.account
    return page_for(
        request,
        visitor,
        "account/security",
        status,
        place="account",
        two_factor=await two_factor.show(panel, account),
        setup=await two_factor.setup(panel, account),
        passkeys=await passkeys.of(panel, account),
        codes=codes,
        code_error=code_error,
        passkey_error=passkey_error,
    )
