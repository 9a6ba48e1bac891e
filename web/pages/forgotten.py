"""Forgotten passwords: ask for a mail, and set another password by the link in it."""

from aiohttp import web

from skypanel.domain.errors import Invalid, SkyPanelError
from skypanel.domain.password import MIN_LENGTH
from skypanel.flow import forgotten, mail
from web import forms
from web.keys import PANEL, client
from web.pages.sign_in import visited


async def show(request: web.Request) -> web.Response:
    """Show the form that asks for a mail, or who to ask where the panel sends none."""
    return await _page(request, email=request.query.get("email", ""))


async def ask(request: web.Request) -> web.Response:
    """Have a mail sent. The answer is the same whether the address has an account or not."""
    fields = await forms.read(request)
    email = fields.get("email", "").strip()
    try:
        await forgotten.request(request.app[PANEL], email, client(request))
    except SkyPanelError as error:
        return await _page(request, 429, email=email, error=error)
    return await _page(request, email=email, is_sent=True)


async def show_reset(request: web.Request) -> web.Response:
    """Show the form that sets a new password."""
    return _reset_page(request, request.query.get("token", ""))


async def reset(request: web.Request) -> web.Response:
    """Set a new password."""
    fields = await forms.read(request)
    token = fields.get("token", "")
    try:
        if fields.get("new", "") != fields.get("again", ""):
            raise Invalid("The new passwords do not match.", "Type the same one twice.")
        await forgotten.reset(request.app[PANEL], token, fields.get("new", ""))
    except SkyPanelError as error:
        return _reset_page(request, token, 422, error)
    return visited(request, "password_reset", 200, token="", least=MIN_LENGTH, error=None, is_set=True)


async def _page(
    request: web.Request, status: int = 200, *, email: str, is_sent: bool = False, error: SkyPanelError | None = None
) -> web.Response:
    sends_mail = await mail.server(request.app[PANEL]) is not None
    return visited(request, "forgotten", status, email=email, is_sent=is_sent, sends_mail=sends_mail, error=error)


def _reset_page(request: web.Request, token: str, status: int = 200, error: SkyPanelError | None = None) -> web.Response:
    return visited(request, "password_reset", status, token=token, least=MIN_LENGTH, error=error, is_set=False)
