"""What the administrators' pages share."""

from collections.abc import Mapping

from aiohttp import web

from skypanel.domain.access import check_admin
from skypanel.domain.paging import Part
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


def with_query(request: web.Request, **changes: object) -> str:
    """Return the address of this page with another query; None leaves a name out."""
    query = {**request.query, **{name: str(value) for name, value in changes.items() if value is not None}}
    return str(request.rel_url.with_query({name: value for name, value in query.items() if changes.get(name, value) is not None}))


def neighbours(request: web.Request, part: Part[object]) -> Mapping[str, str | None]:
    """Return the addresses of the pages before and after a numbered one, for `parts.paging`."""
    return {
        "before": with_query(request, page=part.previous) if part.previous else None,
        "after": with_query(request, page=part.next) if part.next else None,
    }
