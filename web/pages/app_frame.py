"""What the pages of one app share: who may see it, and its header and tabs."""

from dataclasses import dataclass

from aiohttp import web

from skypanel.domain.access import Action, Role, allows
from skypanel.domain.app import App
from skypanel.domain.overview import AppOverview, AppState
from skypanel.flow import apps, deploys, watching
from web import places, session
from web.keys import PANEL
from web.rendering import page_for
from web.session import Visitor

_MARKS = {AppState.DEPLOYING: "busy", AppState.STARTING: "busy", AppState.CRASHED: "bad", AppState.FAILED: "bad"}
# The actions that the header offers.
_MENU = {"restart": Action.SCALE_APP, "maintenance": Action.MAINTAIN_APP}


@dataclass(frozen=True)
class FramedApp:
    """An app that the visitor may see, with the visitor's role on it, its state, and the fingerprint of what the page shows.

    `has_last_failed` is whether its last deploy failed, which an earlier release outlives.
    """

    visitor: Visitor
    app: App
    role: Role | None
    overview: AppOverview
    has_last_failed: bool
    seen: str

    def may(self, action: Action) -> bool:
        """Whether the visitor's role allows an action."""
        return allows(self.role, action)

    @property
    def hidden_tabs(self) -> set[str]:
        """The labels of the tabs that the visitor may not open: collaborators are no members of the organization."""
        is_member = any(each.id == self.app.organization_id for each, _ in self.visitor.organizations)
        return {label for label, is_open in {"Console": self.may(Action.RUN), "Activity": is_member}.items() if not is_open}


async def find(request: web.Request, action: Action = Action.VIEW_APP) -> FramedApp:
    """Return the app that the URL names. Raises NotFound if the visitor may not see it, Denied if `action` is not allowed."""
    panel, visitor = request.app[PANEL], await session.visitor(request)
    app, role = await apps.access_with_role(panel, visitor.account, request.match_info["app"], action)
    overview, has_last_failed = await apps.summary(panel, app), await deploys.last_failed(panel, app)
    seen = await watching.fingerprint(panel, watching.View(frozenset({app.id})), overview.dynos)
    return FramedApp(visitor, app, role, overview, has_last_failed, seen)


def render(request: web.Request, framed: FramedApp, template: str, tab: str, status: int = 200, **values: object) -> web.Response:
    """Render a page that extends app/frame.html; `tab` is the label of its tab in web/places.py."""
    app, state = framed.app, framed.overview.state
    frame = {
        "app": app,
        "app_url": framed.overview.url,
        "shown_state": state.value,
        "mark": _MARKS.get(state, "bad" if framed.has_last_failed else "idle"),
        "tab": tab,
        "tabs": places.app_tabs(app.name, framed.hidden_tabs),
        "menu": {name for name, action in _MENU.items() if framed.may(action)},
        "events": f"/apps/{app.name}/changes?seen={framed.seen}",
        "live_url": request.path_qs,
    }
    return page_for(request, framed.visitor, template, status, place="apps", **(frame | values))
