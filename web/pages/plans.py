"""The page that compares all plans."""

from aiohttp import web

from skypanel.flow import billing, plans
from web import session
from web.keys import PANEL
from web.rendering import page_for


async def show(request: web.Request) -> web.Response:
    """Show what each plan gives and costs, side by side."""
    panel, visitor = request.app[PANEL], await session.visitor(request)
    return page_for(request, visitor, "plans", plans=await plans.offered(panel), money=await billing.formatter(panel))
