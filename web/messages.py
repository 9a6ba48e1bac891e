"""The message that tells how a form went. It travels in a cookie to the page that the browser is sent to."""

import hmac
from base64 import urlsafe_b64decode, urlsafe_b64encode

from aiohttp import web

from web import session

COOKIE = "skypanel-message"
LIFE_S = 60
MAX_CHARACTERS = 500
MESSAGE = web.RequestKey("message", str)


def done(request: web.Request, location: str, text: str) -> web.Response:
    """Redirect after a successful form; the next page shows the text with role=status."""
    request[MESSAGE] = text[:MAX_CHARACTERS]
    response = web.Response(status=303, headers={"Location": location})
    keep(request, response, text)
    return response


def keep(request: web.Request, response: web.StreamResponse, text: str) -> None:
    """Store a message for the next page of the same session."""
    if secret := session.secret(request):
        data = text[:MAX_CHARACTERS].encode()
        session.set_cookie(request, response, COOKIE, f"{urlsafe_b64encode(data).decode()}.{_mac(secret, data)}", LIFE_S)


def take(request: web.Request) -> str | None:
    """Return the message for this page; None if there is none, or if it is not of this session."""
    value, _, mac = (session.read_cookie(request, COOKIE) or "").partition(".")
    secret = session.secret(request)
    if not mac or secret is None:
        return None
    try:
        data = urlsafe_b64decode(value)
        return data.decode() if hmac.compare_digest(_mac(secret, data), mac) else None
    except ValueError:
        return None


def drop(request: web.Request, response: web.StreamResponse) -> None:
    """Delete a message that was shown."""
    session.delete_cookie(request, response, COOKIE)


def _mac(secret: str, data: bytes) -> str:
    """Sign a message: an app on a sibling host can set cookies, and must not put words into the dashboard's mouth."""
    return hmac.digest(secret.encode(), b"message " + data, "sha256").hex()
