"""Apps: listing, making, looking and destroying."""

import secrets

from skypanel.domain.access import Action
from skypanel.domain.app import App
from skypanel.domain.ids import OrganizationId
from skypanel.flow import apps as apps_flow
from skypanel.flow import maintenance
from web.api import equals, serializers
from web.api.calls import Call, Reply
from web.api.ranges import Page, Range, paginate
from web.api.schema import Json, boolean, either, integer, record, string

CREATE = record(name=string(), region=string(nullable=True), stack=string(nullable=True))
CHANGES = record(name=string(), maintenance=either(boolean(), integer(0, 1)), build_stack=string())
_FIRST = ("amber", "brisk", "calm", "clear", "early", "fresh", "gentle", "quiet", "swift", "warm")
_SECOND = ("bay", "brook", "cloud", "dune", "field", "grove", "harbor", "lake", "meadow", "peak")


async def index(call: Call) -> Page:
    """List the caller's apps."""
    return await page(call)


async def page(call: Call, organization_id: OrganizationId | None = None) -> Page:
    """List the caller's apps, all or those of one organization; where they are asked for by name, the database pages."""
    asked = call.range if call.range.field == "name" else Range("name", max=call.range.max, is_descending=call.range.is_descending)
    is_plain = not asked.is_descending and not asked.last and (asked.after_first or not asked.first)
    after = asked.first if is_plain else ""
    limit = asked.max + 1 if is_plain else None
    found = await apps_flow.listed(call.panel, call.account, after=after, limit=limit, organization_id=organization_id)
    return paginate([serializers.app(each, call.panel.address) for each in found], asked, "name")


async def create(call: Call) -> Reply:
    """Create an app; one without a name gets one."""
    check_place(call)
    app = await apps_flow.create(call.panel, call.account, call.body.get("name") or new_name())
    return Reply(await shown(call, app), 201)


async def show(call: Call) -> Reply:
    """Show an app."""
    return Reply(await shown(call, await call.app()))


async def change(call: Call) -> Reply:
    """Rename an app, or have the panel answer for it; all or nothing of it where something is refused."""
    app, body = await call.app(), call.body
    if "build_stack" in body:
        equals.check_stack(call, body["build_stack"])
    if "name" in body:
        await apps_flow.access(call.panel, call.account, str(app.id), Action.RENAME_APP)
        app = await apps_flow.rename(call.panel, app, body["name"], call.account)
    if "maintenance" in body:
        await maintenance.switch(call.panel, app, call.account, on=bool(body["maintenance"]))
    return Reply(await shown(call, app))


async def destroy(call: Call) -> Reply:
    """Destroy an app and show what it was."""
    app = await call.app()
    was = await shown(call, app)
    await apps_flow.destroy(call.panel, app, call.account)
    return Reply(was)


async def domains(call: Call) -> Page:
    """List the hostnames of an app."""
    app = await call.app()
    return paginate([serializers.domain(app, call.panel.address.host(app.name))], call.range, "hostname")


async def shown(call: Call, app: App) -> Json:
    """Return an app as the API shows it."""
    return serializers.app(await apps_flow.listing(call.panel, app, call.account), call.panel.address)


def check_place(call: Call) -> None:
    """Raise Invalid unless an app is to be made where there is a place to."""
    for field, check in (("region", equals.check_region), ("stack", equals.check_stack)):
        if call.body.get(field) is not None:
            check(call, call.body[field])


def new_name() -> str:
    """Return a name for an app that was given none."""
    return f"{secrets.choice(_FIRST)}-{secrets.choice(_SECOND)}-{secrets.token_hex(4)}"
