"""Apps that others offer to the account."""

from aiohttp import web

from skypanel.domain.errors import Invalid
from skypanel.domain.transfer import TransferState
from skypanel.flow import transfer
from web import forms, session
from web.keys import PANEL
from web.messages import done


async def answer(request: web.Request) -> web.Response:
    """Accept or decline an offered app."""
    panel, visitor = request.app[PANEL], await session.visitor(request)
    fields = await forms.read(request)
    offered = await transfer.find_offered(panel, visitor.account, fields.get("id", ""))
    match fields.get("answer"):
        case TransferState.ACCEPTED:
            await transfer.accept(panel, offered, visitor.account)
            return done(request, f"/apps/{offered.app_name}", f"{offered.app_name} belongs to your organization now.")
        case TransferState.DECLINED:
            await transfer.decline(panel, offered, visitor.account)
            return done(request, "/apps", f"You declined {offered.app_name}.")
        case _:
            raise Invalid("This is not an answer to an offer.", "Accept the offer or decline it.")
