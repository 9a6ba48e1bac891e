"""The page of alerts."""

from aiohttp import web

from skypanel.domain.paging import page_number
from skypanel.flow import alerts
from web import paging
from web.admin.place import admin_page, administrator
from web.keys import PANEL


async def show(request: web.Request) -> web.Response:
    """Show a page of all alerts, the open ones first."""
    visitor = await administrator(request)
    part = await alerts.history(request.app[PANEL], visitor.account, page_number(request.query.get("page", "")))
    return admin_page(request, visitor, "alerts", "Alerts", part=part, pages=paging.numbered(request, part))
