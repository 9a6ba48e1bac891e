"""Short ways: the switcher of organizations, and addresses that lead elsewhere."""

from aiohttp import web
from aiohttp.typedefs import Handler
from yarl import URL

from web import forms, session
from web.pages.sign_in import own_path
from web.places import organization_url


async def switch(request: web.Request) -> web.Response:
    """Choose the organization that the visitor acts for, and return to the page."""
    visitor = await session.visitor(request)
    fields = await forms.read(request)
    chosen = visitor.organization(fields.get("organization", ""))
    before = own_path(fields.get("next", ""))
    location = organization_url(chosen) if before.startswith("/organizations/") else before
    response = web.Response(status=303, headers={"Location": location})
    session.act_for(request, response, chosen)
    return response


def leads_to(target: str) -> Handler:
    """Return a handler that redirects to another address of the dashboard, and keeps the query."""

    async def redirect(request: web.Request) -> web.StreamResponse:
        raise web.HTTPSeeOther(URL(target.format_map(request.match_info)).with_query(request.query))

    return redirect
