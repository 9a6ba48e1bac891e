"""Cookies: which account a browser acts for, and what proves that a form is from a page of ours."""

import hmac
import secrets
from dataclasses import dataclass

from aiohttp import web
from yarl import URL

from skypanel.domain.account import Account
from skypanel.domain.errors import Denied
from skypanel.flow import accounts
from web.keys import ACTOR, PANEL, SESSION_LIFE_S, origin

SESSION = "skypanel"
# Before somebody signs in there is no session that a form could belong to.
VISIT = "skypanel-visit"
SIGN_IN = "/login"


@dataclass(frozen=True)
class Visitor:
    """Who is signed in, by which session."""

    account: Account
    session: str


async def visitor(request: web.Request) -> Visitor:
    """Return who is signed in; anybody else is sent to sign in first. Raises Denied for a write."""
    session = _read(request, SESSION)
    account = await accounts.session_account(request.app[PANEL], session) if session else None
    if session is not None and account is not None:
        request[ACTOR] = account
        return Visitor(account, session)
    if request.method not in {"GET", "HEAD"}:
        raise Denied("You are not signed in.", "Sign in, then try again.")
    raise web.HTTPSeeOther(URL(SIGN_IN).with_query(next=request.path_qs))


async def is_signed_in(request: web.Request) -> bool:
    """Whether the session is still good."""
    session = _read(request, SESSION)
    return session is not None and await accounts.session_account(request.app[PANEL], session) is not None


def begin(request: web.Request, response: web.StreamResponse, session: str) -> None:
    """Have the browser keep a new session."""
    _keep(request, response, SESSION, session, SESSION_LIFE_S)


async def end(request: web.Request, response: web.StreamResponse) -> None:
    """Sign out, here and in the database."""
    if session := _read(request, SESSION):
        await accounts.sign_out(request.app[PANEL], session)
    response.del_cookie(_name(request, SESSION), path="/", httponly=True, secure=_is_secure(request), samesite="Lax")


def begin_visit(request: web.Request) -> str:
    """Return what the browser is to keep while nobody is signed in: what it has, or something new."""
    return _read(request, SESSION) or _read(request, VISIT) or secrets.token_urlsafe(32)


def keep_visit(request: web.Request, response: web.StreamResponse, visit: str) -> None:
    """Have the browser keep it, until it is closed."""
    if visit != _read(request, SESSION):
        _keep(request, response, VISIT, visit, None)


def form_token(secret: str) -> str:
    """Return what a form carries: it is told by a session or visit, and tells nothing of it."""
    return hmac.digest(secret.encode(), b"form", "sha256").hex()


def check_form(request: web.Request, token: str) -> None:
    """Raise Denied unless a form was made for this session or visit."""
    secret = _read(request, SESSION) or _read(request, VISIT)
    if secret is None or not hmac.compare_digest(form_token(secret).encode(), token.encode()):
        raise Denied("This form is too old, or not ours.", "Open the page again and fill it in there.")


def _read(request: web.Request, name: str) -> str | None:
    """Return what the browser keeps. Raises Denied for two of one name: one is an app's, for the domain above its own and ours."""
    name = _name(request, name)
    sent = [pair.partition("=")[0].strip() for line in request.headers.getall("Cookie", ()) for pair in line.split(";")]
    if sent.count(name) > 1:
        raise Denied(
            f"Your browser sent two cookies named {name}, of which one is not ours.", "Clear its cookies for this domain, then sign in."
        )
    value = request.cookies.get(name, "")
    # Ours are; and what is no UTF-8 cannot be hashed.
    return value if value and value.isascii() else None


def _keep(request: web.Request, response: web.StreamResponse, name: str, value: str, life_s: int | None) -> None:
    is_secure = _is_secure(request)
    response.set_cookie(_name(request, name), value, max_age=life_s, path="/", httponly=True, secure=is_secure, samesite="Lax")


def _name(request: web.Request, name: str) -> str:
    """Return a cookie's name: with TLS one that no other host can set (RFC 6265bis, 4.1.3.2), as apps share the panel's domain."""
    return f"__Host-{name}" if _is_secure(request) else name


def _is_secure(request: web.Request) -> bool:
    return origin(request).startswith("https:")
