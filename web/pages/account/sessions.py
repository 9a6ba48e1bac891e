"""The browsers that are signed in to the account."""

from uuid import UUID

from aiohttp import web

from skypanel.domain.errors import Invalid
from skypanel.domain.ids import SessionId
from skypanel.flow import sessions
from web import forms, paging, session
from web.keys import PANEL
from web.messages import done
from web.rendering import page_for

PATH = "/account/sessions"
OTHERS = "others"


async def index(request: web.Request) -> web.Response:
    """List the browsers that are signed in."""
    visitor = await session.visitor(request)
    part = paging.numbered_part(request, await sessions.of(request.app[PANEL], visitor.account, visitor.session))
    return page_for(request, visitor, "account/sessions", place="account", part=part, pages=paging.numbered(request, part))


async def end(request: web.Request) -> web.Response:
    """Sign one browser out, or all others."""
    panel, visitor = request.app[PANEL], await session.visitor(request)
    fields = await forms.read(request)
    if fields.get("session") == OTHERS:
        count = await sessions.end_others(panel, visitor.account, visitor.session)
        return done(request, PATH, f"{count} other {'browser is' if count == 1 else 'browsers are'} signed out.")
    await sessions.end(panel, visitor.account, _id(fields))
    return done(request, PATH, "The browser is signed out.")


def _id(fields: forms.Fields) -> SessionId:
    try:
        return SessionId(UUID(fields.get("session", "")))
    except ValueError:
        raise Invalid("This names no browser.", "Choose one of the list.") from None
