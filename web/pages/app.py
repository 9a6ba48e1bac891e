"""An app's overview, and what its buttons do."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from aiohttp import web

from skypanel.domain import config_vars
from skypanel.domain.access import Action
from skypanel.domain.build import BuildState
from skypanel.domain.domains import DomainState
from skypanel.domain.errors import Invalid
from skypanel.flow import apps, billing, detail, domains, maintenance, release
from skypanel.flow import scale as scale_flow
from web import forms, live, session
from web.keys import PANEL
from web.messages import done
from web.pages import app_frame

TAB = "Overview"


@dataclass(frozen=True)
class Failure:
    """The last deploy, which failed: a title, its page, what was wrong, and when."""

    title: str
    url: str
    error: str
    at: datetime


async def show(request: web.Request) -> web.Response:
    """Show the current release, earlier ones and, during a deploy, its log."""
    framed, panel = await app_frame.find(request), request.app[PANEL]
    before = _version(request.query["before"]) if "before" in request.query else None
    found = await detail.read(panel, framed.app, framed.visitor.account, before)
    log = await live.read(panel, found.deploy, live.FEW_LINES) if found.deploy else None
    money = await billing.formatter(panel)
    return app_frame.render(
        request,
        framed,
        "app/overview",
        TAB,
        detail=found,
        domains=[each for each in await domains.listed(panel, framed.app) if each.state is DomainState.ACTIVE and not each.is_wildcard],
        log=log,
        failure=None if log else _failure(found),
        may_retry=framed.may(Action.PUSH),
        last_lines=found.last_lines,
        warned={key: text for key in found.config_keys if (text := config_vars.warning(key))},
        money=money,
        price_format=money(Decimal(0), decimals=0).replace("0", "{}"),
        https_remote=panel.address.https_remote(framed.app.name),
    )


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
    quantity = forms.number(fields.get("quantity", ""), Invalid("This is not a number of dynos.", "Choose one with the slider."))
    process_type = fields.get("type", "")
    await scale_flow.scale(panel, app, {process_type: quantity}, visitor.account)
    return done(request, f"/apps/{app.name}", f"{process_type} is scaled to {quantity}.")


async def restart(request: web.Request) -> web.Response:
    """Replace all dynos by new ones."""
    panel, visitor = request.app[PANEL], await session.visitor(request)
    await forms.read(request)
    app = await apps.access(panel, visitor.account, request.match_info["app"], Action.SCALE_APP)
    await scale_flow.restart(panel, app, visitor.account)
    return done(request, f"/apps/{app.name}", f"{app.name} restarts without a failed request.")


async def maintain(request: web.Request) -> web.Response:
    """Turn maintenance mode on or off."""
    panel, visitor = request.app[PANEL], await session.visitor(request)
    on = (await forms.read(request)).get("on") == "yes"
    app = await apps.access(panel, visitor.account, request.match_info["app"], Action.MAINTAIN_APP)
    await maintenance.switch(panel, app, visitor.account, on=on)
    return done(request, f"/apps/{app.name}", f"Maintenance mode is {'on' if on else 'off'}.")


def _failure(found: detail.AppDetail) -> Failure | None:
    """Return the failure to show first: of the newest build or release, if it failed."""
    newest_build, newest_release = next(iter(found.builds), None), next(iter(found.releases), None)
    here = f"/apps/{found.app.name}"
    if newest_build and newest_build.state is BuildState.FAILED and newest_build.error and not newest_build.cancelled_at:
        return Failure("The last build failed", f"{here}/deploys/{newest_build.id}", newest_build.error, newest_build.created_at)
    if newest_release and newest_release.error and newest_release.id != found.app.current_release_id:
        title = f"v{newest_release.version} {'was cancelled' if found.is_cancelled else 'did not go live'}"
        return Failure(title, f"{here}/deploys/{newest_release.id}", newest_release.error, newest_release.created_at)
    return None


def _version(text: str) -> int:
    return forms.number(text, Invalid("This is not a release.", "Choose one from the list."))
