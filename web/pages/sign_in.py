"""Signing in by a one-time link, and out."""

from aiohttp import web

from skypanel.domain.errors import Invalid
from web import session
from web.rendering import page

HOME = "/"


async def confirm(request: web.Request) -> web.Response:
    """Show the button that signs in: programs that look at a link ahead of its reader do not use it up."""
    return page("sign_in", token=request.query.get("token", ""))


async def sign_in(request: web.Request) -> web.Response:
    """Use up the link and go to the dashboard."""
    token = (await request.post()).get("token")
    if not isinstance(token, str) or not token:
        raise Invalid("This link is not complete.", "Copy all of it, or make a new one with `skypanel login-link`.")
    response = web.Response(status=303, headers={"Location": HOME})
    await session.begin(request, response, token)
    return response


async def sign_out(request: web.Request) -> web.Response:
    """End the session."""
    response = web.Response(status=303, headers={"Location": HOME})
    await session.end(request, response)
    return response
