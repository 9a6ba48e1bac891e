"""An app's deploys: the history, and one deploy with its phases, log, and comparison with the one before."""

from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from uuid import UUID

from aiohttp import web

from skypanel.domain.access import Action
from skypanel.domain.account import Account
from skypanel.domain.deploy import Deploy
from skypanel.domain.errors import Invalid, NotFound, SkyPanelError
from skypanel.domain.release import Release
from skypanel.flow import apps, comparison, deploys, history, redeploy
from skypanel.flow import release as release_flow
from skypanel.ports.panel import Panel
from web import changes, forms, live, session
from web.forms import FormAction
from web.keys import PANEL, take_time
from web.messages import done
from web.pages import app_frame
from web.pages.app_frame import FramedApp

TAB = "Deploys"
DEPLOYS = 50
MAX_SEARCH = 200

# Does what a button says, and returns where to go then and the message.
Do = Callable[[Panel, Deploy, Account], Awaitable[tuple[str, str]]]


async def index(request: web.Request) -> web.Response:
    """Show a page of the history."""
    framed = await app_frame.find(request)
    older, newer = (_id(request.query.get(name, "")) for name in ("older", "newer"))
    page = await history.deploys(request.app[PANEL], framed.app, DEPLOYS, older_than=older, newer_than=newer)
    git_remote = request.app[PANEL].address.git_remote(framed.app.name)
    return app_frame.render(request, framed, "app/deploys", TAB, page=page, git_remote=git_remote)


async def show(request: web.Request) -> web.Response:
    """Show one deploy."""
    framed = await app_frame.find(request)
    return await _page(request, framed, await _deploy(request, framed))


async def change(request: web.Request) -> web.Response:
    """Do what a button says: deploy again, cancel or roll back."""
    panel, visitor = request.app[PANEL], await session.visitor(request)
    fields = await forms.read(request)
    action = forms.chosen(fields, FORM_ACTIONS, Invalid("This is nothing that can be done with a deploy.", "Choose a button of the page."))
    app = await apps.access(panel, visitor.account, request.match_info["app"], action.needs)
    deploy = await deploys.of_id(panel, app, UUID(request.match_info["deploy"]))
    try:
        location, text = await action.do(panel, deploy, visitor.account)
    except SkyPanelError as error:
        framed = await app_frame.find(request)
        return await _page(request, framed, await _deploy(request, framed), 422, error)
    return done(request, location, text)


async def events(request: web.Request) -> web.StreamResponse:
    """Stream further log lines."""
    deploy = await _seen(request)
    return await live.stream(request, deploy, partial(changes.until_denied, request, deploy.app.id))


async def text(request: web.Request) -> web.Response:
    """Send the whole log so far as plain text, to show or to download."""
    deploy = await _seen(request)
    take_time(request)
    return await live.plain(request.app[PANEL], deploy, is_download="download" in request.query)


async def _redeploy(panel: Panel, deploy: Deploy, by: Account) -> tuple[str, str]:
    made = await redeploy.redeploy(panel, deploy, by)
    return live.url(made), f"v{made.release.version} is being released." if made.release else "The build begins again."


async def _cancel(panel: Panel, deploy: Deploy, by: Account) -> tuple[str, str]:
    await redeploy.cancel(panel, deploy, by)
    return live.url(deploy), "The deploy is being cancelled."


async def _roll_back(panel: Panel, deploy: Deploy, by: Account) -> tuple[str, str]:
    if deploy.release is None:
        raise NotFound("This deploy has no release.", "Choose one that went live.")
    await release_flow.roll_back(panel, deploy.app, deploy.release.version, by)
    return f"/apps/{deploy.app.name}/deploys", f"{deploy.app.name} is rolling back to v{deploy.release.version}."


FORM_ACTIONS: Mapping[str, FormAction[Do]] = {
    "redeploy": FormAction(Action.PUSH, _redeploy),
    "cancel": FormAction(Action.PUSH, _cancel),
    "rollback": FormAction(Action.ROLL_BACK, _roll_back),
}


async def _seen(request: web.Request) -> Deploy:
    panel, visitor = request.app[PANEL], await session.visitor(request)
    app = await apps.access(panel, visitor.account, request.match_info["app"], Action.VIEW_APP)
    return await deploys.of_id(panel, app, UUID(request.match_info["deploy"]))


async def _deploy(request: web.Request, framed: FramedApp) -> Deploy:
    return await deploys.of_id(request.app[PANEL], framed.app, UUID(request.match_info["deploy"]))


async def _page(
    request: web.Request, framed: FramedApp, deploy: Deploy, status: int = 200, error: SkyPanelError | None = None
) -> web.Response:
    panel, search = request.app[PANEL], request.query.get("q", "")[:MAX_SEARCH]
    log = await live.read(panel, deploy, live.MANY_LINES)
    may = {name: framed.may(action.needs) for name, action in FORM_ACTIONS.items()}
    target = _rollback_target(framed, deploy) if may["rollback"] else None
    return app_frame.render(
        request,
        framed,
        "app/deploy",
        TAB,
        status,
        deploy=deploy,
        log=live.searched(log, search) if search else log,
        failure=live.error_text(log),
        by=await deploys.asked_by(panel, deploy),
        compared=await comparison.with_previous(panel, deploy),
        rollback=target,
        rollback_keys=await comparison.since(panel, framed.app, target) if target else None,
        allowed=may,
        error=error,
    )


def _rollback_target(framed: FramedApp, deploy: Deploy) -> Release | None:
    """Return the release to roll back to, if it went live and another one runs now."""
    release = deploy.release
    return release if release and release.proven_slug_id and release.id != framed.app.current_release_id else None


def _id(text: str) -> UUID | None:
    try:
        return UUID(text) if text else None
    except ValueError:
        raise Invalid("This is not a deploy.", "Choose a page of the list.") from None
