"""Apps: list, create, show, change and destroy them."""

import secrets
from typing import Annotated

from msgspec import UNSET, Meta

from skypanel.domain.access import Action
from skypanel.domain.app import App, check_deploy_branch
from skypanel.domain.ids import OrganizationId
from skypanel.flow import apps as apps_flow
from skypanel.flow import branch, maintenance
from web.api import equals
from web.api.bodies import Body, Maybe, Text
from web.api.calls import Call, Reply
from web.api.ranges import Page, Range, cut, paginate
from web.api.resources import apps

_FIRST = ("amber", "brisk", "calm", "clear", "early", "fresh", "gentle", "quiet", "swift", "warm")
_SECOND = ("bay", "brook", "cloud", "dune", "field", "grove", "harbor", "lake", "meadow", "peak")


class NewApp(Body):
    """A new app."""

    name: Maybe[Text] = UNSET
    region: Text | None = None
    stack: Text | None = None


class AppChange(Body):
    """Changes of an app."""

    name: Maybe[Text] = UNSET
    maintenance: Maybe[bool | Annotated[int, Meta(ge=0, le=1)]] = UNSET
    build_stack: Maybe[Text] = UNSET
    deploy_branch: Maybe[Text | None] = UNSET


async def index(call: Call) -> Page:
    """List the caller's apps."""
    return await page(call)


async def page(call: Call, organization_id: OrganizationId | None = None) -> Page:
    """List the caller's apps, all or those of one organization. The database does the paging if the range is by name and has no end."""
    requested = call.range if call.range.field == "name" else Range("name", max=call.range.max, is_descending=call.range.is_descending)
    is_plain = not requested.is_descending and not requested.last and (requested.after_first or not requested.first)
    after = requested.first if is_plain else ""
    limit = requested.max + 1 if is_plain else None
    found = await apps_flow.listed(call.panel, call.account, after=after, limit=limit, organization_id=organization_id)
    part = cut(found, requested, "name") if is_plain else paginate(found, requested, "name")
    return Page(apps.apps(part.items, call.panel.address), part.next)


async def create(call: Call, body: NewApp) -> Reply:
    """Create an app. Without a name, it gets a random one."""
    check_place(call, body)
    app = await apps_flow.create(call.panel, call.account, body.name or new_name())
    return Reply(await shown(call, app), 201)


async def show(call: Call) -> Reply:
    """Show an app."""
    return Reply(await shown(call, await call.app()))


async def change(call: Call, body: AppChange) -> Reply:
    """Rename an app, choose its deploy branch, or turn maintenance mode on or off. If one change is refused, none is made."""
    app = await call.app()
    if body.build_stack is not UNSET:
        equals.check_stack(call, body.build_stack)
    if body.deploy_branch is not UNSET:
        await apps_flow.access(call.panel, call.account, str(app.id), Action.CONFIGURE_APP)
        if body.deploy_branch:
            check_deploy_branch(body.deploy_branch)
    if body.name is not UNSET:
        await apps_flow.access(call.panel, call.account, str(app.id), Action.RENAME_APP)
        app = await apps_flow.rename(call.panel, app, body.name, call.account)
    if body.deploy_branch is not UNSET:
        app = await branch.choose(call.panel, app, body.deploy_branch or "", call.account)
    if body.maintenance is not UNSET:
        await maintenance.switch(call.panel, app, call.account, on=bool(body.maintenance))
    return Reply(await shown(call, app))


async def destroy(call: Call) -> Reply:
    """Destroy an app and return its last state."""
    app = await call.app()
    was = await shown(call, app)
    await apps_flow.destroy(call.panel, app, call.account)
    return Reply(was)


async def shown(call: Call, app: App) -> apps.App:
    """Return an app as the API shows it."""
    return apps.app(await apps_flow.listing(call.panel, app, call.account), call.panel.address)


def check_place(call: Call, body: NewApp) -> None:
    """Raise Invalid for a region or stack that neither this panel nor Heroku has."""
    if body.region is not None:
        equals.check_region(call, body.region)
    if body.stack is not None:
        equals.check_stack(call, body.stack)


def new_name() -> str:
    """Return a random name for an app."""
    return f"{secrets.choice(_FIRST)}-{secrets.choice(_SECOND)}-{secrets.token_hex(4)}"
