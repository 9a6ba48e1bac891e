"""An app's page."""

from aiohttp import web

from skypanel.domain import config_vars
from skypanel.domain.access import Action
from skypanel.domain.errors import Invalid
from skypanel.flow import apps, detail, release
from skypanel.flow import scale as scale_flow
from web import forms, live, session
from web.keys import PANEL
from web.messages import done
from web.rendering import page_for


async def show(request: web.Request) -> web.Response:
    """Show the current release, earlier ones and, during a deploy, its log."""
    panel, visitor = request.app[PANEL], await session.visitor(request)
    app = await apps.access(panel, visitor.account, request.match_info["app"], Action.VIEW_APP)
    found = await detail.look(panel, app, visitor.account, _version(request.query["before"]) if "before" in request.query else None)
    log = await live.read(panel, found.deploy, live.FEW_LINES) if found.deploy else None
    warned = {key: text for key in found.config_keys if (text := config_vars.warning(key))}
    return page_for(request, visitor, "app", place="apps", app=found, log=log, warned=warned)


async def roll_back(request: web.Request) -> web.Response:
    """Roll back to an earlier version, then show the app's page."""
    panel, visitor = request.app[PANEL], await session.visitor(request)
    fields = await forms.read(request)
    app = await apps.access(panel, visitor.account, request.match_info["app"], Action.ROLL_BACK)
    version = _version(fields.get("version", ""))
    await release.roll_back(panel, app, version, visitor.account)
    return done(request, f"/apps/{app.name}", f"{app.name} is rolling back to v{version}.")


async def scale(request: web.Request) -> web.Response:
    """Set how many dynos of a process type run; 0 is none."""
    panel, visitor = request.app[PANEL], await session.visitor(request)
    fields = await forms.read(request)
    app = await apps.access(panel, visitor.account, request.match_info["app"], Action.SCALE_APP)
    quantity = _number(fields.get("quantity", ""), Invalid("This is not a number of dynos.", "Choose one with the slider."))
    process_type = fields.get("type", "")
    await scale_flow.scale(panel, app, {process_type: quantity}, visitor.account)
    return done(request, f"/apps/{app.name}", f"{process_type} is scaled to {quantity}.")


def _version(text: str) -> int:
    return _number(text, Invalid("This is not a release.", "Choose one from the list."))


def _number(text: str, error: Invalid) -> int:
    # Any number of nine digits fits into a Postgres integer.
    if not (text.isascii() and text.isdigit() and len(text) <= 9):  # noqa: PLR2004
        raise error
    return int(text)
