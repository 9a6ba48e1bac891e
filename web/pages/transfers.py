"""Apps that others offer."""

from uuid import UUID

from aiohttp import web

from skypanel.domain.errors import Invalid, NotFound
from skypanel.domain.transfer import Transfer, TransferState
from skypanel.flow import transfer
from skypanel.ports.database import Connection
from skypanel.store import transfers
from web import forms, session
from web.keys import PANEL


async def answer(request: web.Request) -> web.Response:
    """Take an offered app, or turn it down."""
    panel, visitor = request.app[PANEL], await session.visitor(request)
    fields = await forms.read(request)
    async with panel.autocommit() as conn:
        offered = next((each for each in await offered_to(conn, visitor.account.id) if str(each.id) == fields.get("id")), None)
    if offered is None:
        raise NotFound("There is no such offer.", "It was answered, or taken back.")
    match fields.get("answer"):
        case TransferState.ACCEPTED:
            await transfer.accept(panel, offered, visitor.account)
            return web.Response(status=303, headers={"Location": f"/apps/{offered.app_name}"})
        case TransferState.DECLINED:
            await transfer.decline(panel, offered, visitor.account)
            return web.Response(status=303, headers={"Location": "/"})
        case _:
            raise Invalid("This is no answer.", "Accept the offer or decline it.")


async def offered_to(conn: Connection, account_id: UUID) -> list[Transfer]:
    """Return what an account has not answered yet."""
    found = await transfers.of(conn, account_id)
    return [each for each in found if each.recipient.id == account_id and each.state is TransferState.PENDING]
