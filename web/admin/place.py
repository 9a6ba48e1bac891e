"""What the administrators' pages share."""

from aiohttp import web

from skypanel.domain.access import check_admin
from web import session
from web.rendering import page_for
from web.session import Visitor


async def administrator(request: web.Request) -> Visitor:
    """Return the signed-in visitor. Raises Denied for everybody but administrators of the panel."""
    visitor = await session.visitor(request)
    check_admin(visitor.account)
    return visitor


def admin_page(request: web.Request, visitor: Visitor, name: str, tab: str, status: int = 200, **values: object) -> web.Response:
    """Render a page of the platform; `tab` is its label in web/places.py."""
    return page_for(request, visitor, f"admin/{name}", status, place="admin", tab=tab, **values)
