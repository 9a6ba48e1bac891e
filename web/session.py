"""The session cookie: which account a browser acts for."""

from aiohttp import web

from skypanel.domain.account import Account
from skypanel.flow import accounts
from web.keys import PANEL, SESSION_LIFE_S, origin


async def account(request: web.Request) -> Account | None:
    """Return who is signed in."""
    token = request.cookies.get(_name(request))
    return await accounts.session_account(request.app[PANEL], token) if token else None


async def begin(request: web.Request, response: web.StreamResponse, link_token: str) -> None:
    """Sign in by a one-time link. Raises Denied."""
    token = await accounts.sign_in_by_link(request.app[PANEL], link_token)
    response.set_cookie(_name(request), token, max_age=SESSION_LIFE_S, path="/", httponly=True, secure=_is_secure(request), samesite="Lax")


async def end(request: web.Request, response: web.StreamResponse) -> None:
    """Sign out, here and in the database."""
    if token := request.cookies.get(_name(request)):
        await accounts.sign_out(request.app[PANEL], token)
    response.del_cookie(_name(request), path="/", httponly=True, secure=_is_secure(request), samesite="Lax")


def _name(request: web.Request) -> str:
    """Return the cookie's name: with TLS one that no other host can set (RFC 6265bis, 4.1.3.2), as apps share the panel's domain."""
    return "__Host-skypanel" if _is_secure(request) else "skypanel"


def _is_secure(request: web.Request) -> bool:
    return origin(request).startswith("https:")
