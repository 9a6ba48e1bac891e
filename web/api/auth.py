"""Authentication: an API token as a bearer token (RFC 6750), or as the password of Basic authentication (RFC 7617)."""

import binascii
from base64 import b64decode
from dataclasses import dataclass

from aiohttp import web

from skypanel.domain.errors import SkyPanelError
from skypanel.flow import accounts
from skypanel.flow.accounts import Caller
from skypanel.ports.panel import Panel
from web.keys import ACTOR

REMAINING = web.RequestKey("remaining", int)
HEADER = "RateLimit-Remaining"


class Unauthorized(SkyPanelError):
    """The request has no credentials, or none that are valid."""

    def __init__(self) -> None:
        super().__init__(
            "The request has no valid API token.",
            "Log in with `heroku login -i`, or ask an administrator for a token: `skypanel tokens add --for` with your address.",
        )


@dataclass(frozen=True)
class Credentials:
    """The credentials of a request. With a bearer token, `user` is empty."""

    user: str
    secret: str


async def caller(request: web.Request, panel: Panel) -> Caller:
    """Authenticate the caller, and count the call against its rate limit. Raises Unauthorized or Throttled."""
    request[REMAINING] = 0
    found = await accounts.caller(panel, credentials(request).secret)
    if found is None:
        del request[REMAINING]
        raise Unauthorized
    request[REMAINING] = found.remaining
    request[ACTOR] = found.account
    return found


def credentials(request: web.Request) -> Credentials:
    """Return the credentials of a request. Raises Unauthorized if it has none that can be read."""
    scheme, _, rest = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() == "bearer" and _is_text(rest.strip()):
        return Credentials("", rest.strip())
    if scheme.lower() == "basic":
        try:
            user, _, secret = b64decode(rest, validate=True).decode().partition(":")
        except (binascii.Error, ValueError):
            raise Unauthorized from None
        if _is_text(user + secret):
            return Credentials(user, secret)
    raise Unauthorized


def _is_text(text: str) -> bool:
    return bool(text) and text.isprintable()
