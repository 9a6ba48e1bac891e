"""The page of the signed-in account."""

from aiohttp import web

from skypanel.domain.errors import Denied, Invalid, Throttled
from skypanel.domain.password import MIN_LENGTH
from skypanel.flow import passwords
from web import forms, session
from web.keys import PANEL, client
from web.rendering import page_for
from web.session import Visitor

PATH = "/account"


async def show(request: web.Request) -> web.Response:
    """Show the account and the form that sets its password."""
    return await _page(request, await session.visitor(request), done="done" in request.query)


async def set_password(request: web.Request) -> web.Response:
    """Set the password; other browsers are signed out."""
    visitor = await session.visitor(request)
    fields = await forms.read(request)
    try:
        await passwords.change(
            request.app[PANEL], visitor.account, fields.get("current", ""), _new(fields), visitor.session, client(request)
        )
    except (Denied, Throttled, Invalid) as error:
        return await _page(request, visitor, 422, error=error)
    return web.Response(status=303, headers={"Location": f"{PATH}?done"})


def _new(fields: forms.Fields) -> str:
    if fields.get("new", "") != fields.get("again", ""):
        raise Invalid("The new passwords do not match.", "Type the same one twice.")
    return fields.get("new", "")


async def _page(
    request: web.Request, visitor: Visitor, status: int = 200, *, done: bool = False, error: Denied | Throttled | Invalid | None = None
) -> web.Response:
    has_password = await passwords.is_set(request.app[PANEL], visitor.account)
    return page_for(
        request, visitor, "account", status, place="account", has_password=has_password, least=MIN_LENGTH, done=done, error=error
    )
