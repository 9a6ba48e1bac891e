"""Session cookies, and the CSRF tokens of forms."""

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
# Before sign-in there is no session, so the CSRF token of a form belongs to this cookie.
VISIT = "skypanel-visit"
SIGN_IN = "/login"


@dataclass(frozen=True)
class Visitor:
    """The signed-in account and its session."""

    account: Account
    session: str


async def visitor(request: web.Request) -> Visitor:
    """Return the signed-in visitor. Anyone else is redirected to the sign-in page, or gets Denied for a write."""
    session = _read(request, SESSION)
    account = await accounts.session_account(request.app[PANEL], session) if session else None
    if session is not None and account is not None:
        request[ACTOR] = account
        return Visitor(account, session)
    if request.method not in {"GET", "HEAD"}:
        raise Denied("You are not signed in.", "Sign in, then try again.")
    raise web.HTTPSeeOther(URL(SIGN_IN).with_query(next=request.path_qs))


async def is_signed_in(request: web.Request) -> bool:
    """Whether the request has a valid session."""
    session = _read(request, SESSION)
    return session is not None and await accounts.session_account(request.app[PANEL], session) is not None


def begin(request: web.Request, response: web.StreamResponse, session: str) -> None:
    """Set the cookie of a new session."""
    _keep(request, response, SESSION, session, SESSION_LIFE_S)


async def end(request: web.Request, response: web.StreamResponse) -> None:
    """Sign out: delete the session from the database, and its cookie."""
    if session := _read(request, SESSION):
        await accounts.sign_out(request.app[PANEL], session)
    response.del_cookie(_name(request, SESSION), path="/", httponly=True, secure=_is_secure(request), samesite="Lax")


def begin_visit(request: web.Request) -> str:
    """Return the secret that the CSRF token of a form belongs to: that of the session or visit, or a new one."""
    return _read(request, SESSION) or _read(request, VISIT) or secrets.token_urlsafe(32)


def keep_visit(request: web.Request, response: web.StreamResponse, visit: str) -> None:
    """Set the visit's cookie until the browser is closed, unless the session's cookie has the secret."""
    if visit != _read(request, SESSION):
        _keep(request, response, VISIT, visit, None)


def form_token(secret: str) -> str:
    """Return the CSRF token of a session or visit. It does not reveal their secret."""
    return hmac.digest(secret.encode(), b"form", "sha256").hex()


def check_form(request: web.Request, token: str) -> None:
    """Raise Denied unless the CSRF token belongs to the session or visit of this request."""
    secret = _read(request, SESSION) or _read(request, VISIT)
    if secret is None or not hmac.compare_digest(form_token(secret).encode(), token.encode()):
        raise Denied("This form is too old, or not ours.", "Open the page again and fill it in there.")


def _read(request: web.Request, name: str) -> str | None:
    """Return a cookie's value. Raises Denied for two of one name: an app may have set one of them for the parent domain."""
    name = _name(request, name)
    sent = [pair.partition("=")[0].strip() for line in request.headers.getall("Cookie", ()) for pair in line.split(";")]
    if sent.count(name) > 1:
        raise Denied(
            f"Your browser sent two cookies named {name}, of which one is not ours.", "Clear its cookies for this domain, then sign in."
        )
    value = request.cookies.get(name, "")
    # Our values are ASCII. A cookie that is not UTF-8 contains surrogates, which cannot be encoded for hashing.
    return value if value and value.isascii() else None


def _keep(request: web.Request, response: web.StreamResponse, name: str, value: str, life_s: int | None) -> None:
    is_secure = _is_secure(request)
    response.set_cookie(_name(request, name), value, max_age=life_s, path="/", httponly=True, secure=is_secure, samesite="Lax")


def _name(request: web.Request, name: str) -> str:
    """Return a cookie's name. Over TLS, its prefix stops apps on the same domain from setting it (RFC 6265bis, 4.1.3.2)."""
    return f"__Host-{name}" if _is_secure(request) else name


def _is_secure(request: web.Request) -> bool:
    return origin(request).startswith("https:")
