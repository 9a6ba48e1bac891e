"""Apps: listing, making, looking and destroying."""

import secrets
from uuid import UUID

from skypanel.domain.access import Action
from skypanel.domain.app import App
from skypanel.domain.errors import Invalid
from skypanel.domain.names import printable
from skypanel.domain.slug import STACK
from skypanel.flow import apps as apps_flow
from skypanel.flow import maintenance
from skypanel.store import listings
from web.api import serializers
from web.api.calls import Call, Reply
from web.api.ranges import Page, Range, paginate
from web.api.schema import Json, boolean, record, string

CREATE = record(name=string(), region=string(), stack=string())
CHANGES = record(name=string(), maintenance=boolean(), build_stack=string())
_FIRST = ("amber", "brisk", "calm", "clear", "early", "fresh", "gentle", "quiet", "swift", "warm")
_SECOND = ("bay", "brook", "cloud", "dune", "field", "grove", "harbor", "lake", "meadow", "peak")


async def index(call: Call) -> Page:
    """List the caller's apps."""
    return await page(call)


async def page(call: Call, organization_id: UUID | None = None) -> Page:
    """List the caller's apps, all or those of one organization; where they are asked for by name, the database pages."""
    asked = call.range if call.range.field == "name" else Range("name", max=call.range.max, is_descending=call.range.is_descending)
    is_plain = not asked.is_descending and not asked.last and (asked.after_first or not asked.first)
    after = asked.first if is_plain else ""
    async with call.panel.autocommit() as conn:
        found = await listings.of(
            conn, call.account.id, after=after, limit=asked.max + 1 if is_plain else None, organization_id=organization_id
        )
    return paginate([serializers.app(each, call.panel.address) for each in found], asked, "name")


async def create(call: Call) -> Reply:
    """Create an app; one without a name gets one."""
    check_place(call.body)
    app = await apps_flow.create(call.panel, call.account, call.body.get("name") or new_name())
    return Reply(await shown(call, app), 201)


async def show(call: Call) -> Reply:
    """Show an app."""
    return Reply(await shown(call, await call.app()))


async def change(call: Call) -> Reply:
    """Rename an app, or have the panel answer for it; all or nothing of it where something is refused."""
    app, body = await call.app(), call.body
    _check_stack(body.get("build_stack", STACK))
    if "name" in body:
        await apps_flow.access(call.panel, call.account, str(app.id), Action.RENAME_APP)
        app = await apps_flow.rename(call.panel, app, body["name"], call.account)
    if "maintenance" in body:
        await maintenance.switch(call.panel, app, call.account, on=body["maintenance"])
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
    async with call.panel.autocommit() as conn:
        return serializers.app(await listings.get(conn, app.id, call.account.id), call.panel.address)


def check_place(body: Json) -> None:
    """Raise Invalid unless an app is to be made where there is only one place to."""
    region = body.get("region", serializers.REGION)
    if region not in {serializers.REGION, serializers.region_ref()["id"]}:
        raise Invalid(f"There is no region {printable(region)}.", f"Leave it out: the only one is {serializers.REGION}.")
    _check_stack(body.get("stack", STACK))


def _check_stack(stack: str) -> None:
    if stack not in {STACK, serializers.stack_ref()["id"]}:
        raise Invalid(f"There is no stack {printable(stack)}.", f"Leave it out: the only one is {STACK}.")


def new_name() -> str:
    """Return a name for an app that was given none."""
    return f"{secrets.choice(_FIRST)}-{secrets.choice(_SECOND)}-{secrets.token_hex(4)}"
