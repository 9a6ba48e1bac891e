"""The site that passkeys are for."""

from aiohttp import web

from skypanel.domain.passkey import RelyingParty
from web.keys import PANEL, origin


def party(request: web.Request) -> RelyingParty:
    """Return the dashboard as browsers know it. Its host is the panel's own, and not what a request names."""
    return RelyingParty(request.app[PANEL].address.host("skypanel"), origin(request))
