"""The pages of plans: all of them, and one with its apps."""

from collections.abc import Awaitable, Callable, Mapping

from aiohttp import web

from skypanel.domain.account import Account
from skypanel.domain.deletion import check_confirmed
from skypanel.domain.errors import Conflict, Invalid, SkyPanelError
from skypanel.domain.plan import FIELDS, read_offer
from skypanel.flow import billing, plans
from skypanel.ports.panel import Panel
from web import forms, paging
from web.admin.place import admin_page, administrator
from web.keys import PANEL
from web.messages import done
from web.session import Visitor

PATH = "/admin/plans"
TAB = "Plans"

Change = Callable[[Panel, Account, str], Awaitable[None]]
# What each button does, and what the next page says.
CHANGES: Mapping[str, tuple[Change, str]] = {
    "retire": (plans.retire, "is retired: no app can choose it."),
    "restore": (plans.restore, "is offered again."),
    "delete": (plans.delete, "is deleted."),
}


async def index(request: web.Request) -> web.Response:
    """Show all plans, and the form that adds one."""
    return await _index(request, await administrator(request))


async def create(request: web.Request) -> web.Response:
    """Add a plan."""
    visitor, fields = await administrator(request), await forms.read(request)
    try:
        plan = await plans.create(request.app[PANEL], visitor.account, read_offer(_typed(fields)))
    except (Conflict, Invalid) as error:
        return await _index(request, visitor, 422, error=error, fields=fields)
    return done(request, PATH, f"The plan {plan.name} is added.")


async def show(request: web.Request) -> web.Response:
    """Show one plan and its apps."""
    return await _one(request, await administrator(request))


async def change(request: web.Request) -> web.Response:
    """Make a new version of a plan, or retire, restore or delete it."""
    visitor, fields = await administrator(request), await forms.read(request)
    name, wanted = request.match_info["plan"], fields.get("do", "")
    try:
        return done(request, *await _change(request.app[PANEL], visitor.account, name, wanted, fields))
    except (Conflict, Invalid) as error:
        return await _one(request, visitor, 422, error=error, fields=fields if wanted == "save" else None)


async def _change(panel: Panel, by: Account, name: str, wanted: str, fields: forms.Fields) -> tuple[str, str]:
    """Return where to go, and what to say there."""
    if wanted == "save":
        entry, _ = await plans.find(panel, by, name)
        plan = await plans.change(panel, by, read_offer({**_typed(fields), "name": entry.plan.name}))
        return f"{PATH}/{plan.name}", f"{plan.name} has version {plan.version}. Apps on an older one keep it until they are moved."
    if wanted not in CHANGES:
        raise Invalid("This is not an action of a plan.", "Choose a button of the page.")
    if wanted == "delete":
        check_confirmed(name, fields.get("confirm", ""))
    act, said = CHANGES[wanted]
    await act(panel, by, name)
    return PATH if wanted == "delete" else f"{PATH}/{name}", f"{name} {said}"


def _typed(fields: forms.Fields) -> dict[str, str]:
    return {name: fields.get(name, "").strip() for name in FIELDS}


async def _index(
    request: web.Request, visitor: Visitor, status: int = 200, *, error: SkyPanelError | None = None, fields: forms.Fields | None = None
) -> web.Response:
    panel = request.app[PANEL]
    part, money = paging.numbered_part(request, await plans.overview(panel, visitor.account)), await billing.formatter(panel)
    pages, typed = paging.numbered(request, part), _typed(fields or {})
    return admin_page(request, visitor, "plans", TAB, status, part=part, pages=pages, money=money, error=error, fields=typed)


async def _one(
    request: web.Request, visitor: Visitor, status: int = 200, *, error: SkyPanelError | None = None, fields: forms.Fields | None = None
) -> web.Response:
    panel = request.app[PANEL]
    entry, uses = await plans.find(panel, visitor.account, request.match_info["plan"])
    typed = entry.plan.fields() if fields is None else _typed(fields)
    money = await billing.formatter(panel)
    part = paging.numbered_part(request, uses)
    pages = paging.numbered(request, part)
    return admin_page(request, visitor, "plan", TAB, status, shown=entry, part=part, pages=pages, money=money, error=error, fields=typed)
