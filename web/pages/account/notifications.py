"""Which mails the account gets."""

from aiohttp import web

from skypanel.domain.notification import offered
from skypanel.flow import mail, notifications
from web import forms, session
from web.keys import PANEL
from web.messages import done
from web.rendering import page_for

PATH = "/account/notifications"


async def show(request: web.Request) -> web.Response:
    """Show the kinds of mail, and which of them come."""
    panel, visitor = request.app[PANEL], await session.visitor(request)
    return page_for(
        request,
        visitor,
        "account/notifications",
        place="account",
        kinds=offered(visitor.account),
        wanted=await notifications.wanted(panel, visitor.account),
        sends_mail=await mail.server(panel) is not None,
    )


async def change(request: web.Request) -> web.Response:
    """Save which mails come."""
    visitor, fields = await session.visitor(request), await forms.read(request)
    await notifications.choose(request.app[PANEL], visitor.account, [kind for kind in offered(visitor.account) if kind in fields])
    return done(request, PATH, "Your notifications are saved.")
