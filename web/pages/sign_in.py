"""Sign-in by one-time link or password, and sign-out."""

import re

from aiohttp import web

from skypanel.domain.errors import Denied, Invalid, Throttled
from skypanel.flow import accounts, passwords
from web import forms, session
from web.keys import PANEL, client
from web.rendering import page

HOME = "/apps"

# A path on this host. Two slashes, or what browsers treat as such, begin another host (RFC 3986, 4.2): an open redirect.
_OWN_PATH = re.compile(r"/(?![/\\])[!-~]*")


async def show(request: web.Request) -> web.Response:
    """Show the form, or for a link a button, so that programs that open links ahead of their reader do not use up the link."""
    if await session.is_signed_in(request) and "token" not in request.query:
        raise web.HTTPSeeOther(own_path(request.query.get("next", "")))
    return _page(request, token=request.query.get("token", ""), next_=request.query.get("next", ""))


async def sign_in(request: web.Request) -> web.Response:
    """Begin a session, then redirect to the requested page."""
    fields = await forms.read(request)
    come_from = (client(request), request.headers.get("User-Agent", ""))
    try:
        if "token" in fields:
            begun = await accounts.sign_in_by_link(request.app[PANEL], fields["token"], *come_from)
        else:
            begun = await passwords.sign_in(request.app[PANEL], _field(fields, "email"), _field(fields, "password"), *come_from)
    except (Denied, Throttled) as error:
        status = 403 if isinstance(error, Denied) else 429
        return _page(request, status, email=fields.get("email", ""), next_=fields.get("next", ""), error=error)
    response = web.Response(status=303, headers={"Location": own_path(fields.get("next", ""))})
    session.begin(request, response, begun)
    return response


async def sign_out(request: web.Request) -> web.Response:
    """End the session."""
    await forms.read(request)
    response = web.Response(status=303, headers={"Location": session.SIGN_IN})
    await session.end(request, response)
    return response


def _page(
    request: web.Request, status: int = 200, *, token: str = "", email: str = "", next_: str = "", error: Denied | Throttled | None = None
) -> web.Response:
    visit = session.begin_visit(request)
    values = {"token": token, "email": email, "next": next_, "error": error}
    response = page("sign_in", status, form_token=session.form_token(visit), **values)
    session.keep_visit(request, response, visit)
    return response


def _field(fields: forms.Fields, name: str) -> str:
    if not fields.get(name):
        raise Invalid(f"The form has no {name}.", "Fill in all fields.")
    return fields[name]


def own_path(path: str) -> str:
    """Return a path of the dashboard to redirect to; anything else becomes the list of apps."""
    return path if _OWN_PATH.fullmatch(path) else HOME
