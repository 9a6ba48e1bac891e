"""What runs of an app: its formation and its dynos."""

from collections.abc import Mapping, Sequence
from uuid import UUID

from skypanel.domain.app import App
from skypanel.domain.errors import Invalid, NotFound
from skypanel.domain.manifest import ONE_OFF, RELEASE_PHASE
from skypanel.domain.names import printable
from skypanel.flow import detail
from skypanel.flow import scale as scale_flow
from skypanel.ports.database import Connection
from skypanel.store import formation, releases, slugs
from web.api import equals, serializers
from web.api.calls import Call, Reply
from web.api.ranges import Page, paginate
from web.api.schema import Json, array, either, integer, record, string

CHANGE = {"quantity": either(integer(), string(11)), "size": string(nullable=True)}
UPDATES = record("updates", updates=array(record("type", type=string(), **CHANGE)))
UPDATE = record(**CHANGE)
MAX_DIGITS = 9


async def index(call: Call) -> Page:
    """List process types and how many dynos of each run."""
    app = await call.app()
    return paginate(await _formation(call, app), call.range, "type")


async def show(call: Call) -> Reply:
    """Show how many dynos of a process type run."""
    app = await call.app()
    return Reply(_of_type(await _formation(call, app), call.params["type"]))


async def update(call: Call) -> Reply:
    """Change several process types, all or none."""
    app = await call.app()
    await _scale(call, app, call.body["updates"])
    return Reply(await _formation(call, app))


async def update_one(call: Call) -> Reply:
    """Change one process type."""
    app = await call.app()
    await _scale(call, app, [{**call.body, "type": call.params["type"]}])
    return Reply(_of_type(await _formation(call, app), call.params["type"]))


async def dynos(call: Call) -> Page:
    """List what runs."""
    app = await call.app()
    return paginate(await _dynos(call, app), call.range, "name")


async def dyno(call: Call) -> Reply:
    """Show a dyno, by its name or id."""
    app = await call.app()
    return Reply(_named(await _dynos(call, app), call.params["dyno"]))


async def restart(call: Call) -> Reply:
    """Replace all dynos."""
    await scale_flow.restart(call.panel, await call.app(), call.account)
    return Reply({}, 202)


async def stop_dyno(call: Call) -> Reply:
    """Stop a dyno, by its name or id, or those of a process type; those of the formation start again at once."""
    app = await call.app()
    dynos = await _dynos(call, app)
    asked = call.params["dyno"]
    name = asked if asked in {each["type"] for each in dynos} else _named(dynos, asked)["name"]
    await scale_flow.stop(call.panel, app, name, call.account)
    return Reply({}, 202)


async def stop_type(call: Call) -> Reply:
    """Stop the dynos of a process type, or the one-off dynos; those of the formation start again at once."""
    app, asked = await call.app(), call.params["type"]
    name = ONE_OFF if asked == ONE_OFF else _of_type(await _formation(call, app), asked)["type"]
    await scale_flow.stop(call.panel, app, name, call.account)
    return Reply({}, 202)


async def _scale(call: Call, app: App, updates: Sequence[Json]) -> None:
    quantities: dict[str, int] = {}
    added: dict[str, int] = {}
    for each in updates:
        if each["type"] in quantities or each["type"] in added:
            raise Invalid(f"{printable(each['type'])} is named twice.", "Name each process type once.")
        equals.check_size(call, app, each.get("size"))
        if "quantity" in each:
            is_added, number = _quantity(each["quantity"])
            (added if is_added else quantities)[each["type"]] = number
    if quantities or added:
        await scale_flow.scale(call.panel, app, quantities, call.account, added=added)


def _quantity(given: str | int) -> tuple[bool, int]:
    """Return whether a quantity is on top of what there is, such as +1, and its number."""
    if isinstance(given, int):
        return False, given
    sign, digits = given[:1], given.removeprefix("+").removeprefix("-")
    if not (digits.isascii() and digits.isdigit() and len(digits) <= MAX_DIGITS):
        raise Invalid(f"{printable(given)} is no quantity.", "Give a number, or +1 or -1 to change what there is.")
    return sign in {"+", "-"}, -int(digits) if sign == "-" else int(digits)


async def _formation(call: Call, app: App) -> list[Json]:
    async with call.panel.autocommit() as conn:
        quantities = await formation.get(conn, app.id)
        release = await releases.get(conn, app.current_release_id) if app.current_release_id else None
        commands = (await slugs.get(conn, release.slug_id)).process_types if release and release.slug_id else {}
    changed_at = release.created_at if release else None
    return [
        serializers.formation(app, name, quantity, commands.get(name), changed_at)
        for name, quantity in quantities.items()
        if name != RELEASE_PHASE
    ]


def _of_type(found: Sequence[Json], process_type: str) -> Json:
    for each in found:
        if process_type in {each["type"], each["id"]}:
            return each
    raise NotFound(
        f"There is no process type {printable(process_type)}.", f"There are: {', '.join(each['type'] for each in found) or 'none yet'}."
    )


async def _dynos(call: Call, app: App) -> list[Json]:
    running = await detail.running(call.panel, app)
    async with call.panel.autocommit() as conn:
        found = await releases.by_versions(conn, app.id, {dyno.key.version for dyno in running})
        commands = {number: await _commands(conn, release.slug_id) for number, release in found.items()}
    return [
        serializers.dyno(
            dyno, app, found.get(dyno.key.version), dyno.command or commands.get(dyno.key.version, {}).get(dyno.key.process_type)
        )
        for dyno in running
    ]


async def _commands(conn: Connection, slug_id: UUID | None) -> Mapping[str, str]:
    return (await slugs.get(conn, slug_id)).process_types if slug_id else {}


def _named(found: Sequence[Json], asked: str) -> Json:
    for each in found:
        if asked in {each["name"], each["id"]}:
            return each
    raise NotFound(f"There is no dyno {printable(asked)}.", "`heroku ps` lists them.")
