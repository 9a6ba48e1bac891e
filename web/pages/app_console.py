"""The page of an app's console. web/console.py is what its script connects to."""

from aiohttp import web

from skypanel.domain.access import Action
from web.pages import app_frame


async def show(request: web.Request) -> web.Response:
    """Show the form that starts a one-off dyno, and the terminal."""
    return app_frame.render(request, await app_frame.find(request, Action.RUN), "app/console", "Console")
