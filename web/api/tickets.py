"""Signed URLs that open a stream without a token, because the CLI sends none.

A URL is valid for one to two days, and only while the token that requested it is valid.
"""

import binascii
import hmac
import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from aiohttp import web

from skypanel.domain.access import Action
from skypanel.domain.account import Account
from skypanel.domain.app import App
from skypanel.domain.errors import NotFound, SkyPanelError
from skypanel.domain.ids import AppId, TokenId
from skypanel.flow import accounts, apps
from skypanel.ports.panel import Panel
from web.api.calls import Call
from web.keys import PANEL, SETTINGS, origin

DAY_S = 24 * 60 * 60


def ended() -> NotFound:
    """Return the error for a stream that has ended or was never the caller's."""
    return NotFound("This stream has ended, or is not yours.", "Request a new URL.")


@dataclass(frozen=True)
class Ticket:
    """What a signed URL opens: a stream of an app, with the rights of a token. Each endpoint defines its own `options`."""

    token_id: TokenId
    app_id: AppId
    options: Mapping[str, Any]


def url(call: Call, app: App, kind: str, options: Mapping[str, Any]) -> str:
    """Return the URL of a stream. It stays the same all day for the same caller and options."""
    expiry = _day(call.panel.clock.now()) + 2
    body = json.dumps([kind, str(call.caller.token_id), str(app.id), expiry, options], sort_keys=True).encode()
    return f"{origin(call.request)}/streams/{kind}/{_text(body)}.{_signature(call.request, body)}"


def read(request: web.Request, kind: str, text: str) -> Ticket:
    """Verify and return a ticket. Raises NotFound if its signature or kind is wrong, or if it has expired."""
    encoded, _, signature = text.partition(".")
    try:
        body = urlsafe_b64decode(encoded.encode())
    except (binascii.Error, ValueError):
        raise ended() from None
    if not hmac.compare_digest(_signature(request, body).encode(), signature.encode()):
        raise ended()
    of, token_id, app_id, expiry, options = json.loads(body)
    if of != kind or _day(request.app[PANEL].clock.now()) >= expiry:
        raise ended()
    return Ticket(TokenId(UUID(token_id)), AppId(UUID(app_id)), options)


async def admit(panel: Panel, ticket: Ticket, action: Action = Action.VIEW_APP) -> tuple[Account, App]:
    """Return the account of a ticket's token, and its app, if that token still allows `action`. Raises NotFound."""
    account = await accounts.holder(panel, ticket.token_id, action)
    if account is None:
        raise ended()
    try:
        return account, await apps.access(panel, account, str(ticket.app_id), action)
    except SkyPanelError as error:
        raise ended() from error


def _day(moment: datetime) -> int:
    return int(moment.timestamp()) // DAY_S


def _text(body: bytes) -> str:
    return urlsafe_b64encode(body).decode()


def _signature(request: web.Request, body: bytes) -> str:
    # The key comes from a secret that all web processes share and no user knows.
    secret = hmac.digest(request.app[SETTINGS].traefik_token.encode(), b"tickets", "sha256")
    return hmac.digest(secret, body, "sha256").hex()
