"""The first steps of a new account."""

from aiohttp import web

from skypanel.flow import watching, welcome
from web import session
from web.keys import PANEL
from web.rendering import page_for


async def show(request: web.Request) -> web.Response:
    """Show how far the account has come, and the next step."""
    panel, visitor = request.app[PANEL], await session.visitor(request)
    # Before the steps, so that no change between the two is missed.
    seen = await watching.now(panel, await watching.list_of(panel, visitor.account))
    steps = await welcome.steps(panel, visitor.account)
    remote = panel.address.git_remote(steps.app.name if steps.app else "hello")
    return page_for(
        request,
        visitor,
        "welcome",
        place="apps",
        steps=steps,
        git_remote=remote,
        events=f"/changes?seen={seen}",
        live_url=request.path_qs,
        mark="busy" if steps.is_deploying else "idle",
    )
