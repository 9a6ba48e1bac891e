"""Sign-in by one-time link, password or passkey, the second factor, and sign-out."""

import re
from dataclasses import asdict

from aiohttp import web
from yarl import URL

from skypanel.domain.errors import CodeNeeded, Denied, Invalid, SkyPanelError, Throttled
from skypanel.domain.two_factor import CODE_LIFE
from skypanel.flow import accounts, mail, passkeys, passwords, two_factor, welcome
from web import forms, session
from web.keys import PANEL, client
from web.passkeys import party
from web.rendering import page

HOME = "/apps"
WELCOME = "/welcome"
CODE = "/login/code"
# The secret of a sign-in that waits for its second factor.
PENDING = "skypanel-pending"

# A path on this host. Two slashes, or what browsers treat as such, begin another host (RFC 3986, 4.2): an open redirect.
_OWN_PATH = re.compile(r"/(?![/\\])[!-~]*")


async def show(request: web.Request) -> web.Response:
    """Show the form, or for a link a button, so that programs that open links ahead of their reader do not use up the link."""
    if await session.is_signed_in(request) and "token" not in request.query:
        raise web.HTTPSeeOther(own_path(request.query.get("next", "")))
    return await _page(request, token=request.query.get("token", ""), next_=request.query.get("next", ""))


async def sign_in(request: web.Request) -> web.Response:
    """Begin a session, then redirect to the requested page, or ask for the second factor."""
    fields, came_from = await forms.read(request), _came_from(request)
    try:
        if "token" in fields:
            begun = await accounts.sign_in_by_link(request.app[PANEL], fields["token"], *came_from)
        else:
            begun = await passwords.sign_in(request.app[PANEL], _field(fields, "email"), _field(fields, "password"), *came_from)
    except (Denied, Throttled) as error:
        return await _page(request, _status(error), email=fields.get("email", ""), next_=fields.get("next", ""), error=error)
    if begun.needs_code:
        response = web.Response(status=303, headers={"Location": str(URL(CODE).with_query(next=fields.get("next", "")))})
        session.set_cookie(request, response, PENDING, begun.secret, int(CODE_LIFE.total_seconds()))
        return response
    return await _begun(request, begun.secret, fields.get("next", ""))


async def show_code(request: web.Request) -> web.Response:
    """Show the form that asks for the second factor."""
    if session.read_cookie(request, PENDING) is None:
        raise web.HTTPSeeOther(URL(session.SIGN_IN).with_query(next=request.query.get("next", "")))
    return _code_page(request, next_=request.query.get("next", ""))


async def check_code(request: web.Request) -> web.Response:
    """Finish a sign-in by its second factor."""
    fields, pending = await forms.read(request), session.read_cookie(request, PENDING)
    try:
        begun = await two_factor.finish(request.app[PANEL], pending or "", fields.get("code", ""), *_came_from(request))
    except (CodeNeeded, Throttled) as error:
        return _code_page(request, _status(error), next_=fields.get("next", ""), error=error)
    except Denied as error:
        return await _page(request, 403, next_=fields.get("next", ""), error=error)
    response = await _begun(request, begun, fields.get("next", ""))
    session.delete_cookie(request, response, PENDING)
    return response


async def passkey_question(request: web.Request) -> web.Response:
    """Return what the browser is to ask a passkey, as JSON: only who wants to sign in by one needs it."""
    await forms.read(request)
    question = await passkeys.question_to_sign_in(request.app[PANEL], party(request))
    return web.json_response(asdict(question), headers={"Cache-Control": "no-store"})


async def by_passkey(request: web.Request) -> web.Response:
    """Begin a session by the answer of a passkey."""
    fields = await forms.read(request)
    answer = (fields.get("challenge", ""), fields.get("answer", ""))
    try:
        begun = await passkeys.sign_in(request.app[PANEL], party(request), *answer, *_came_from(request))
    except (Denied, Invalid, Throttled) as error:
        return await _page(request, _status(error), next_=fields.get("next", ""), error=error)
    return await _begun(request, begun, fields.get("next", ""))


async def sign_out(request: web.Request) -> web.Response:
    """End the session."""
    await forms.read(request)
    response = web.Response(status=303, headers={"Location": session.SIGN_IN})
    await session.end(request, response)
    return response


async def _begun(request: web.Request, begun: str, next_: str) -> web.Response:
    """Redirect to the page that was asked for, and who is new here to the welcome page."""
    location = own_path(next_)
    if location == HOME and await welcome.is_new(request.app[PANEL], begun):
        location = WELCOME
    response = web.Response(status=303, headers={"Location": location})
    session.begin(request, response, begun)
    return response


async def _page(
    request: web.Request, status: int = 200, *, token: str = "", email: str = "", next_: str = "", error: SkyPanelError | None = None
) -> web.Response:
    panel = request.app[PANEL]
    sends_mail = await mail.server(panel) is not None
    return visited(request, "sign_in", status, token=token, email=email, next=next_, error=error, sends_mail=sends_mail)


def _code_page(request: web.Request, status: int = 200, *, next_: str, error: SkyPanelError | None = None) -> web.Response:
    return visited(request, "sign_in_code", status, next=next_, error=error)


def visited(request: web.Request, template: str, status: int, **values: object) -> web.Response:
    """Render a page with a form for somebody who is not signed in."""
    visit = session.begin_visit(request)
    response = page(template, status, form_token=session.form_token(visit), **values)
    session.keep_visit(request, response, visit)
    return response


def _came_from(request: web.Request) -> tuple[str, str]:
    return client(request), request.headers.get("User-Agent", "")


def _status(error: SkyPanelError) -> int:
    return 429 if isinstance(error, Throttled) else 403


def _field(fields: forms.Fields, name: str) -> str:
    if not fields.get(name):
        raise Invalid(f"The form has no {name}.", "Fill in all fields.")
    return fields[name]


def own_path(path: str) -> str:
    """Return a path of the dashboard to redirect to; anything else becomes the list of apps."""
    return path if _OWN_PATH.fullmatch(path) else HOME
