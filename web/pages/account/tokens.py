"""API tokens of the account. The secret of a new one is shown once."""

from collections.abc import Mapping
from datetime import timedelta
from uuid import UUID

from aiohttp import web

from skypanel.domain.access import Scope
from skypanel.domain.errors import Invalid, SkyPanelError
from skypanel.domain.ids import TokenId
from skypanel.flow import accounts
from web import forms, paging, session
from web.keys import PANEL
from web.messages import done
from web.rendering import page_for
from web.session import Visitor

PATH = "/account/tokens"
MAX_DESCRIPTION = 200
# What the form offers: days, or nothing for a token that lasts.
LIVES: Mapping[str, timedelta | None] = {"30": timedelta(days=30), "90": timedelta(days=90), "365": timedelta(days=365), "": None}
SCOPES: Mapping[str, str] = {
    Scope.GLOBAL: "Everything, the account too",
    Scope.WRITE: "Apps and organizations: read and change",
    Scope.READ: "Apps and organizations: read only, without config vars",
    Scope.IDENTITY: "Only who it belongs to",
}


async def index(request: web.Request) -> web.Response:
    """List the tokens, and show the form that makes one."""
    return await _page(request, await session.visitor(request))


async def add(request: web.Request) -> web.Response:
    """Make a token, and show its secret in the answer: no other page ever has it."""
    visitor, fields = await session.visitor(request), await forms.read(request)
    try:
        description, scope, life = _read(fields)
        _, secret = await accounts.authorize(request.app[PANEL], visitor.account, description, scope, life, by=visitor.account)
    except SkyPanelError as error:
        return await _page(request, visitor, 422, error=error, fields=fields)
    return await _page(request, visitor, secret=secret)


async def revoke(request: web.Request) -> web.Response:
    """Revoke a token."""
    visitor, fields = await session.visitor(request), await forms.read(request)
    revoked = await accounts.revoke_token(request.app[PANEL], visitor.account, _id(fields), by=visitor.account)
    return done(request, PATH, "The token is revoked: it works no more." if revoked else "That token was revoked before.")


def _read(fields: forms.Fields) -> tuple[str, Scope, timedelta | None]:
    description = fields.get("description", "").strip()
    if not description or not description.isprintable() or len(description) > MAX_DESCRIPTION:
        raise Invalid("This token has no description.", f"Say in up to {MAX_DESCRIPTION} characters what it is for: CI, a laptop.")
    if fields.get("scope") not in SCOPES:
        raise Invalid("This is not the scope of a token.", f"Choose one of {', '.join(SCOPES)}.")
    if fields.get("days", "") not in LIVES:
        raise Invalid("A token cannot last that long.", "Choose one of the list.")
    return description, Scope(fields["scope"]), LIVES[fields.get("days", "")]


def _id(fields: forms.Fields) -> TokenId:
    try:
        return TokenId(UUID(fields.get("id", "")))
    except ValueError:
        raise Invalid("This names no token.", "Choose one of the list.") from None


async def _page(
    request: web.Request,
    visitor: Visitor,
    status: int = 200,
    *,
    error: SkyPanelError | None = None,
    secret: str | None = None,
    fields: forms.Fields | None = None,
) -> web.Response:
    tokens = await accounts.tokens_of(request.app[PANEL], visitor.account)
    part = paging.numbered_part(request, tokens[::-1])
    typed = {"description": "", "scope": Scope.GLOBAL.value, "days": "90"} | dict(fields or {})
    return page_for(
        request,
        visitor,
        "account/tokens",
        status,
        place="account",
        part=part,
        pages=paging.numbered(request, part),
        error=error,
        secret=secret,
        fields=typed,
        scopes=SCOPES,
        lives=LIVES,
    )
