"""The list of apps."""

from aiohttp import web

from skypanel.domain.manifest import DynoState
from skypanel.flow import apps
from skypanel.flow.apps import AppOverview
from web import session
from web.keys import PANEL
from web.rendering import page


async def index(request: web.Request) -> web.Response:
    """Show the account's apps, or how to sign in."""
    account = await session.account(request)
    if account is None:
        return page("signed_out")
    found = await apps.overview(request.app[PANEL], account)
    return page(
        "apps",
        account=account,
        apps=[{"overview": overview, "state": state(overview)} for overview in found],
        git_remote=request.app[PANEL].address.git_remote("hello"),
    )


def state(overview: AppOverview) -> str:
    """Return in a word how an app does: as its worst dyno."""
    if overview.release is None:
        return "new"
    states = {dyno.state for dyno in overview.dynos}
    if not states - {DynoState.STOPPING}:
        return "stopped"
    return next(state.value for state in (DynoState.CRASHED, DynoState.STARTING, DynoState.UP) if state in states)
