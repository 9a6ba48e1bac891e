"""Session cookies, and the CSRF tokens of forms."""

import hmac
import secrets
from collections.abc import Sequence
from dataclasses import dataclass

from aiohttp import web
from yarl import URL

from skypanel.domain.access import Role
from skypanel.domain.account import Account, Organization
from skypanel.domain.errors import Denied, Invalid
from skypanel.domain.life import SESSION_LIFE
from skypanel.flow import accounts, organizations
from web.keys import ACTOR, PANEL, origin

SESSION = "skypanel"
SESSION_LIFE_S = int(SESSION_LIFE.total_seconds())
# Before sign-in there is no session, so the CSRF token of a form belongs to this cookie.
VISIT = "skypanel-visit"
# The id of the organization that the visitor chose in the switcher.
ORGANIZATION = "skypanel-organization"
SIGN_IN = "/login"
# htmx sends this header with the requests that refresh a page (https://htmx.org/reference/#request_headers).
REFRESH = "HX-Request"


@dataclass(frozen=True)
class Visitor:
    """The signed-in account, its session, its organizations with its role in each, and the one that it acts for."""

    account: Account
    session: str
    organizations: Sequence[tuple[Organization, Role]] = ()
    acting_for: Organization | None = None

    def organization(self, id_: str) -> Organization:
        """Return the one of the visitor's organizations that a form names. Raises Invalid."""
        found = next((each for each, _ in self.organizations if str(each.id) == id_), None)
        if found is None:
            raise Invalid("This is not one of your organizations.", "Choose one of the list.")
        return found


VISITOR = web.RequestKey("visitor", Visitor)


async def visitor(request: web.Request) -> Visitor:
    """Return the signed-in visitor. Anyone else is redirected to the sign-in page, or gets Denied for a write.

    Later calls for the same request ask nothing again.
    """
    if VISITOR in request:
        return request[VISITOR]
    session = read_cookie(request, SESSION)
    account = await accounts.session_account(request.app[PANEL], session) if session else None
    if session is not None and account is not None:
        request[ACTOR] = account
        mine = await organizations.mine(request.app[PANEL], account)
        request[VISITOR] = Visitor(account, session, mine, _acting_for(request, mine))
        return request[VISITOR]
    if request.method not in {"GET", "HEAD"}:
        raise Denied("You are not signed in.", "Sign in, then try again.")
    sign_in = URL(SIGN_IN).with_query(next=request.path_qs)
    if REFRESH in request.headers:
        raise web.HTTPNoContent(headers={"HX-Redirect": str(sign_in)})
    raise web.HTTPSeeOther(sign_in)


def _acting_for(request: web.Request, mine: Sequence[tuple[Organization, Role]]) -> Organization | None:
    """Return the chosen organization, or the account's first one."""
    chosen = request.cookies.get(_name(request, ORGANIZATION))
    return next((each for each, _ in mine if str(each.id) == chosen), mine[0][0] if mine else None)


def act_for(request: web.Request, response: web.StreamResponse, organization: Organization) -> None:
    """Choose the organization that the visitor acts for."""
    set_cookie(request, response, ORGANIZATION, str(organization.id), SESSION_LIFE_S)


async def is_signed_in(request: web.Request) -> bool:
    """Whether the request has a valid session."""
    session = read_cookie(request, SESSION)
    return session is not None and await accounts.session_account(request.app[PANEL], session) is not None


def begin(request: web.Request, response: web.StreamResponse, session: str) -> None:
    """Set the cookie of a new session."""
    set_cookie(request, response, SESSION, session, SESSION_LIFE_S)


async def end(request: web.Request, response: web.StreamResponse) -> None:
    """Sign out: delete the session from the database, and its cookie."""
    if session := read_cookie(request, SESSION):
        await accounts.sign_out(request.app[PANEL], session)
    delete_cookie(request, response, SESSION)


def begin_visit(request: web.Request) -> str:
    """Return the secret that the CSRF token of a form belongs to: that of the session or visit, or a new one."""
    return read_cookie(request, SESSION) or read_cookie(request, VISIT) or secrets.token_urlsafe(32)


def keep_visit(request: web.Request, response: web.StreamResponse, visit: str) -> None:
    """Set the visit's cookie until the browser is closed, unless the session's cookie has the secret."""
    if visit != read_cookie(request, SESSION):
        set_cookie(request, response, VISIT, visit, None)


def form_token(secret: str) -> str:
    """Return the CSRF token of a session or visit. It does not reveal their secret."""
    return hmac.digest(secret.encode(), b"form", "sha256").hex()


def check_form(request: web.Request, token: str) -> None:
    """Raise Denied unless the CSRF token belongs to the session or visit of this request."""
    held = secret(request)
    if held is None or not hmac.compare_digest(form_token(held).encode(), token.encode()):
        raise Denied("This form has expired.", "Reload the page and fill in the form again.")


def secret(request: web.Request) -> str | None:
    """Return the secret of the session, or of the visit before sign-in. It is not checked here."""
    return read_cookie(request, SESSION) or read_cookie(request, VISIT)


def delete_cookie(request: web.Request, response: web.StreamResponse, name: str) -> None:
    """Delete a cookie of this host."""
    response.del_cookie(_name(request, name), path="/", httponly=True, secure=_is_secure(request), samesite="Lax")


def read_cookie(request: web.Request, name: str) -> str | None:
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


def set_cookie(request: web.Request, response: web.StreamResponse, name: str, value: str, life_s: int | None) -> None:
    """Set a cookie for this host only, for a time or until the browser is closed."""
    is_secure = _is_secure(request)
    response.set_cookie(_name(request, name), value, max_age=life_s, path="/", httponly=True, secure=is_secure, samesite="Lax")


def _name(request: web.Request, name: str) -> str:
    """Return a cookie's name. Over TLS, its prefix stops apps on the same domain from setting it (RFC 6265bis, 4.1.3.2)."""
    return f"__Host-{name}" if _is_secure(request) else name


def _is_secure(request: web.Request) -> bool:
    return origin(request).startswith("https:")
