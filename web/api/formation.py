"""An app's formation and dynos: list, scale, restart and stop them."""

from collections.abc import Sequence
from typing import Annotated

from msgspec import UNSET, Meta

from skypanel.domain.app import App
from skypanel.domain.errors import Invalid, NotFound
from skypanel.domain.manifest import ONE_OFF, Process, formation_id, stoppable
from skypanel.domain.names import printable
from skypanel.flow import detail
from skypanel.flow import formation as formation_flow
from skypanel.flow import scale as scale_flow
from web.api import equals
from web.api.bodies import Body, Maybe, Number, Several, Text
from web.api.calls import Call, Reply
from web.api.ranges import Page, paginate
from web.api.resources import dynos as resources
from web.api.resources.common import Nothing

MAX_DIGITS = 9
Quantity = Number | Annotated[str, Meta(max_length=11)]


class Scaling(Body):
    """The quantity of a process type."""

    quantity: Maybe[Quantity] = UNSET
    size: Text | None = None


class TypeScaling(Body):
    """A process type and its quantity."""

    type: Text
    quantity: Maybe[Quantity] = UNSET
    size: Text | None = None


class Scalings(Body):
    """The quantities of several process types."""

    updates: Several[TypeScaling]


async def index(call: Call) -> Page:
    """List the process types of an app, with their quantities."""
    return paginate(await _formation(call, await call.app()), call.range, "type")


async def show(call: Call) -> Reply:
    """Show a process type, with its quantity."""
    return await _one(call, await call.app())


async def update(call: Call, body: Scalings) -> Reply:
    """Scale several process types. If one change is refused, none is made."""
    app = await call.app()
    await _scale(call, app, body.updates)
    return Reply(await _formation(call, app))


async def update_one(call: Call, body: Scaling) -> Reply:
    """Scale one process type."""
    app = await call.app()
    await _scale(call, app, [TypeScaling(type=call.params["type"], quantity=body.quantity, size=body.size)])
    return await _one(call, app)


async def dynos(call: Call) -> Page:
    """List the dynos of an app."""
    app = await call.app()
    running = await formation_flow.dynos(call.panel, app)
    return paginate([resources.dyno(each, app) for each in running], call.range, "name")


async def dyno(call: Call) -> Reply:
    """Show a dyno, by its name or id."""
    app, requested = await call.app(), call.params["dyno"]
    for each in await formation_flow.dynos(call.panel, app):
        if requested in {each.dyno.key.name, str(each.dyno.key.id)}:
            return Reply(resources.dyno(each, app))
    raise _no_dyno(requested)


async def restart(call: Call) -> Reply:
    """Restart all dynos of an app."""
    await scale_flow.restart(call.panel, await call.app(), call.account)
    return Reply(Nothing(), 202)


async def stop_dyno(call: Call) -> Reply:
    """Stop a dyno, by its name or id, or all dynos of a process type. Dynos of the formation restart."""
    app, requested = await call.app(), call.params["dyno"]
    name = stoppable((each.key for each in await detail.running(call.panel, app)), requested)
    if name is None:
        raise _no_dyno(requested)
    await scale_flow.stop(call.panel, app, name, call.account)
    return Reply(Nothing(), 202)


async def stop_type(call: Call) -> Reply:
    """Stop the dynos of a process type, or all one-off dynos. Dynos of the formation restart."""
    app, requested = await call.app(), call.params["type"]
    name = ONE_OFF if requested == ONE_OFF else _of_type(app, (await formation_flow.of(call.panel, app)).processes, requested).type
    await scale_flow.stop(call.panel, app, name, call.account)
    return Reply(Nothing(), 202)


async def _scale(call: Call, app: App, updates: Sequence[TypeScaling]) -> None:
    quantities: dict[str, int] = {}
    added: dict[str, int] = {}
    for each in updates:
        if each.type in quantities or each.type in added:
            raise Invalid(f"{printable(each.type)} is named twice.", "Name each process type once.")
        equals.check_size(call, app, each.size)
        if each.quantity is not UNSET:
            is_added, number = _quantity(each.quantity)
            (added if is_added else quantities)[each.type] = number
    if quantities or added:
        await scale_flow.scale(call.panel, app, quantities, call.account, added=added)


def _quantity(quantity: str | int) -> tuple[bool, int]:
    """Return whether a quantity is relative, such as +1 or -1, and its number. Raises Invalid."""
    if isinstance(quantity, int):
        return False, quantity
    sign, digits = quantity[:1], quantity.removeprefix("+").removeprefix("-")
    if not (digits.isascii() and digits.isdigit() and len(digits) <= MAX_DIGITS):
        raise Invalid(f"{printable(quantity)} is not a quantity.", "Use a number, or +1 or -1 to change the current quantity.")
    return sign in {"+", "-"}, -int(digits) if sign == "-" else int(digits)


async def _formation(call: Call, app: App) -> list[resources.Formation]:
    found = await formation_flow.of(call.panel, app)
    return [resources.formation(each, app, found.changed_at) for each in found.processes]


async def _one(call: Call, app: App) -> Reply:
    found = await formation_flow.of(call.panel, app)
    return Reply(resources.formation(_of_type(app, found.processes, call.params["type"]), app, found.changed_at))


def _of_type(app: App, processes: Sequence[Process], requested: str) -> Process:
    for each in processes:
        if requested in {each.type, str(formation_id(app.id, each.type))}:
            return each
    raise NotFound(
        f"There is no process type {printable(requested)}.", f"There are: {', '.join(each.type for each in processes) or 'none yet'}."
    )


def _no_dyno(requested: str) -> NotFound:
    return NotFound(f"There is no dyno {printable(requested)}.", "Run `heroku ps` to list them.")
