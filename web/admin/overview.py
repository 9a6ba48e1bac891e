"""The overview of the platform."""

from aiohttp import web

from skypanel.flow import billing, figures
from web.admin.place import admin_page, administrator
from web.keys import PANEL


async def show(request: web.Request) -> web.Response:
    """Show the figures of the panel, what is wrong now, and what was done last."""
    panel, visitor = request.app[PANEL], await administrator(request)
    shown, money = await figures.platform(panel, visitor.account), await billing.formatter(panel)
    return admin_page(request, visitor, "overview", "Overview", shown=shown, money=money)
