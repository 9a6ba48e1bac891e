"""The list of apps."""

from aiohttp import web

from skypanel.domain.manifest import DynoState
from skypanel.flow import apps
from skypanel.flow.apps import AppOverview
from web import session
from web.keys import PANEL
from web.pages import transfers
from web.rendering import page_for

APPS = 50


async def index(request: web.Request) -> web.Response:
    """Show the account's apps, a page of them."""
    panel, visitor, after = request.app[PANEL], await session.visitor(request), request.query.get("after", "")
    found = await apps.overview(panel, visitor.account, after=after, limit=APPS + 1)
    async with panel.autocommit() as conn:
        offers = await transfers.offered_to(conn, visitor.account.id)
    return page_for(
        request,
        visitor,
        "apps",
        apps=[{"overview": overview, "state": state(overview)} for overview in found[:APPS]],
        after=after,
        further=found[APPS - 1].app.name if len(found) > APPS else None,
        git_remote=panel.address.git_remote("hello"),
        offers=offers,
    )


def state(overview: AppOverview) -> str:
    """Return in a word how an app does: as its worst dyno, unless it is being deployed, suspended or in maintenance."""
    if overview.is_deploying:
        return "deploying"
    if overview.app.suspension:
        return "suspended"
    if overview.app.maintenance:
        return "maintenance"
    if overview.release is None:
        return "new"
    states = {dyno.state for dyno in overview.dynos}
    if not states - {DynoState.STOPPING}:
        return "stopped"
    return next(state.value for state in (DynoState.CRASHED, DynoState.STARTING, DynoState.UP) if state in states)
