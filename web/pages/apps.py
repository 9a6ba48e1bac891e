"""The list of apps, and a new one."""

import html
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeVar
from urllib.parse import urlencode

from aiohttp import web

from skypanel.domain.access import Action, allows
from skypanel.domain.errors import Conflict, Denied, Invalid, NotFound, SkyPanelError, Unpaid
from skypanel.domain.ids import OrganizationId
from skypanel.domain.overview import AppFilter, AppOrder, AppState
from skypanel.flow import apps, billing, metrics, plans, transfer, watching
from web import forms, session
from web.charts import sparkline
from web.keys import PANEL
from web.messages import done
from web.rendering import page_for
from web.session import Visitor

PATH = "/apps"
NEW = "/apps/new"
APPS = 50
MAX_PAGE = 10**6

Kind = TypeVar("Kind", bound=StrEnum)


@dataclass(frozen=True)
class Query(AppFilter):
    """What a visitor wants to see of the list, and which page of that."""

    page: int = 1

    def url(self, **changes: object) -> str:
        """Return the address of this list with changes."""
        values = {"q": self.words, "org": self.organization, "state": self.state or "", "sort": self.order, "page": self.page} | changes
        standard = {"q": "", "org": "", "state": "", "sort": AppOrder.STATE, "page": 1}
        chosen = {name: value for name, value in values.items() if value != standard[name]}
        return f"{PATH}?{urlencode(chosen)}" if chosen else PATH


async def index(request: web.Request) -> web.Response:
    """Show one page of the account's apps: those that need somebody first, unless another order is chosen."""
    panel, visitor, query = request.app[PANEL], await session.visitor(request), _query(request)
    seen = await watching.now(panel, await watching.list_of(panel, visitor.account))
    found = await apps.search(panel, visitor.account, query, offset=(query.page - 1) * APPS, limit=APPS)
    used = await metrics.glance(panel, [each.app.id for each in found.shown])
    return page_for(
        request,
        visitor,
        "apps/index",
        place="apps",
        apps=found.shown,
        total=found.total,
        count=found.count,
        first=(query.page - 1) * APPS + 1,
        query=query,
        before=query.url(page=query.page - 1) if query.page > 1 else None,
        after=query.url(page=query.page + 1) if query.page * APPS < found.count else None,
        names={organization.id: organization.name for organization, _ in visitor.organizations},
        states=list(AppState),
        git_remote=panel.address.git_remote("hello"),
        offers=await transfer.offered(panel, visitor.account),
        events=f"/changes?seen={seen}",
        live_url=request.path_qs,
        mark=_mark(found.states),
        sparklines={app_id: sparkline(values) for app_id, values in used.items()},
        AppOrder=AppOrder,
    )


async def new(request: web.Request) -> web.Response:
    """Show the form for a new app."""
    visitor = await session.visitor(request)
    chosen = str(visitor.acting_for.id) if visitor.acting_for else ""
    return await _form(request, visitor, {"name": request.query.get("name", ""), "organization": chosen, "plan": ""})


async def create(request: web.Request) -> web.Response:
    """Create an app, then show its page, which says how to push to it."""
    panel, visitor = request.app[PANEL], await session.visitor(request)
    fields = await forms.read(request)
    plan = fields.get("plan") or None
    try:
        organization = visitor.organization(fields.get("organization", ""))
        app = await apps.create(panel, visitor.account, fields.get("name", ""), organization_id=organization.id, plan=plan)
    except (Invalid, Conflict, Denied, NotFound, Unpaid) as error:
        return await _form(request, visitor, fields, 422, error)
    return done(request, f"{PATH}/{app.name}", f"{app.name} is created. Push to it to deploy.")


async def check_name(request: web.Request) -> web.Response:
    """Say whether a name can be used for a new app, as the visitor types it."""
    await session.visitor(request)
    name = request.query.get("name", "")
    try:
        await apps.check_name(request.app[PANEL], name)
    except (Invalid, Conflict) as error:
        return _said(f"{error.message} {error.hint}")
    return _said(f"{name} is free.")


def _said(text: str) -> web.Response:
    """Return a text that htmx puts into the page, where it must not be markup."""
    return web.Response(text=html.escape(text), content_type="text/html", headers={"Cache-Control": "no-store"})


async def _form(
    request: web.Request, visitor: Visitor, fields: forms.Fields, status: int = 200, error: SkyPanelError | None = None
) -> web.Response:
    panel = request.app[PANEL]
    return page_for(
        request,
        visitor,
        "apps/new",
        status,
        place="apps",
        fields={name: fields.get(name, "") for name in ("name", "organization", "plan")},
        choices=_choices(visitor),
        plans=await plans.offered(panel),
        money=await billing.formatter(panel),
        domain=panel.address.domain,
        error=error,
    )


def _choices(visitor: Visitor) -> Sequence[tuple[OrganizationId, str]]:
    """Return the organizations in which the visitor may create apps."""
    return [(each.id, each.name) for each, role in visitor.organizations if allows(role, Action.CREATE_APP)]


def _mark(states: Collection[AppState]) -> str:
    if AppState.CRASHED in states or AppState.FAILED in states:
        return "bad"
    return "busy" if AppState.DEPLOYING in states else "idle"


def _query(request: web.Request) -> Query:
    asked = request.query
    page = asked.get("page", "1")
    number = int(page) if page.isascii() and page.isdigit() and len(page) <= 7 else 1  # noqa: PLR2004 - the digits of MAX_PAGE
    return Query(
        words=asked.get("q", "").strip().lower()[:100],
        organization=asked.get("org", "")[:40],
        state=_member(AppState, asked.get("state")),
        order=_member(AppOrder, asked.get("sort")) or AppOrder.STATE,
        page=min(max(number, 1), MAX_PAGE),
    )


def _member(kind: type[Kind], text: str | None) -> Kind | None:
    return kind(text) if text in set(kind) else None
