"""The account itself: its e-mail address and its password."""

from aiohttp import web

from skypanel.domain.errors import Invalid, SkyPanelError
from skypanel.domain.password import MIN_LENGTH
from skypanel.flow import address, mail, passwords
from web import forms, session
from web.keys import PANEL, client
from web.messages import done
from web.rendering import page_for
from web.session import Visitor

PATH = "/account"


async def show(request: web.Request) -> web.Response:
    """Show the account, and the forms that change its address and its password."""
    return await _page(request, await session.visitor(request))


async def set_password(request: web.Request) -> web.Response:
    """Set the password; other browsers are signed out."""
    visitor = await session.visitor(request)
    fields = await forms.read(request)
    try:
        await passwords.change(
            request.app[PANEL], visitor.account, fields.get("current", ""), _new(fields), visitor.session, client(request)
        )
    except SkyPanelError as error:
        return await _page(request, visitor, 422, password_error=error)
    return done(request, PATH, "The password is set. Other browsers are signed out.")


async def change_address(request: web.Request) -> web.Response:
    """Change the e-mail address, or send the mail that confirms it."""
    visitor, fields = await session.visitor(request), await forms.read(request)
    new = fields.get("email", "").strip()
    try:
        is_changed = await address.change(request.app[PANEL], visitor.account, new, fields.get("current", ""), client(request))
    except SkyPanelError as error:
        return await _page(request, visitor, 422, address_error=error, new=new)
    return done(
        request, PATH, "The address is changed." if is_changed else f"Open the link in the mail to {new}: then the address changes."
    )


async def show_address(request: web.Request) -> web.Response:
    """Show the button that confirms a new address, so that programs that open links ahead of their reader confirm nothing."""
    visitor = await session.visitor(request)
    return _address_page(request, visitor, request.query.get("token", ""))


async def confirm_address(request: web.Request) -> web.Response:
    """Confirm a new address by the link that was mailed to it."""
    visitor, fields = await session.visitor(request), await forms.read(request)
    try:
        failed = await address.confirm(request.app[PANEL], visitor.account, fields.get("token", ""))
    except SkyPanelError as error:
        return _address_page(request, visitor, "", 422, error)
    return done(request, PATH, "The address is changed." if failed is None else f"The address is changed. {failed.message}")


def _new(fields: forms.Fields) -> str:
    if fields.get("new", "") != fields.get("again", ""):
        raise Invalid("The new passwords do not match.", "Type the same one twice.")
    return fields.get("new", "")


def _address_page(
    request: web.Request, visitor: Visitor, token: str, status: int = 200, error: SkyPanelError | None = None
) -> web.Response:
    return page_for(request, visitor, "account/email", status, place="account", token=token, error=error)


async def _page(
    request: web.Request,
    visitor: Visitor,
    status: int = 200,
    *,
    password_error: SkyPanelError | None = None,
    address_error: SkyPanelError | None = None,
    new: str = "",
) -> web.Response:
    panel = request.app[PANEL]
    return page_for(
        request,
        visitor,
        "account/account",
        status,
        place="account",
        has_password=await passwords.is_set(panel, visitor.account),
        sends_mail=await mail.server(panel) is not None,
        least=MIN_LENGTH,
        password_error=password_error,
        address_error=address_error,
        new=new,
    )
