"""The page that compares all plans."""

from aiohttp import web

from skypanel.flow import billing, plans
from web import paging, session
from web.keys import PANEL
from web.rendering import page_for


async def show(request: web.Request) -> web.Response:
    """Show what each plan gives and costs, side by side."""
    panel, visitor = request.app[PANEL], await session.visitor(request)
    part, money = paging.numbered_part(request, await plans.offered(panel)), await billing.formatter(panel)
    return page_for(request, visitor, "plans", plans=part.items, pages=paging.numbered(request, part), money=money)
