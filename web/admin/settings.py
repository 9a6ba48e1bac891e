"""The page of the panel's settings, one category at a time."""

from collections.abc import Awaitable, Callable, Mapping, Sequence

from aiohttp import web

from skypanel.domain.account import Account
from skypanel.domain.errors import SkyPanelError
from skypanel.domain.setting import text_of
from skypanel.domain.settings import categories, problems
from skypanel.flow import dns_records, mail, plans, settings, storage
from skypanel.flow.settings import Shown
from skypanel.ports.panel import Panel
from web import forms
from web.admin.place import admin_page, administrator
from web.keys import PANEL
from web.messages import done
from web.session import Visitor

PATH = "/admin/settings"
TAB = "Settings"
# Takes a sensitive setting away, because its field is empty unless it is to change.
CLEAR = "clear_"

Test = Callable[[Panel, Account], Awaitable[str]]


async def show(request: web.Request) -> web.Response:
    """Show the settings of one category."""
    visitor = await administrator(request)
    return await _page(request, visitor, _category(request.query.get("category", "")))


async def change(request: web.Request) -> web.Response:
    """Change settings of one category, all or none, or test what they are about."""
    panel, visitor = request.app[PANEL], await administrator(request)
    fields = await forms.read(request)
    category, by = _category(fields.get("category", "")), visitor.account
    here = f"{PATH}?category={category}"
    try:
        if fields.get("do") in TESTS:
            return done(request, here, await TESTS[fields["do"]](panel, by))
        changes = _changes(await settings.show(panel, by), categories()[category], fields)
        if found := problems(changes):
            return await _page(request, visitor, category, 422, wrong=found, fields=fields)
        if changes:
            await settings.change(panel, by, changes)
    except SkyPanelError as error:
        key, colon, _ = error.message.partition(": ")
        wrong: Mapping[str, SkyPanelError] = {key: error} if colon and key in categories()[category] else {}
        return await _page(request, visitor, category, 422, error=None if wrong else error, wrong=wrong, fields=fields)
    return done(request, here, f"Saved: {', '.join(changes)}." if changes else "Nothing was changed.")


async def _test_storage(panel: Panel, by: Account) -> str:
    moving = await storage.moving(panel, by)
    return f"An object was written to {moving.storages.current.place}, read and deleted."


async def _test_mail(panel: Panel, by: Account) -> str:
    await mail.try_out(panel, by)
    return f"A mail was sent to {by.email}."


async def _test_dns(panel: Panel, by: Account) -> str:
    return f"A TXT record at {await dns_records.try_out(panel, by)} was written, seen at all name servers, and removed."


TESTS: Mapping[str, Test] = {"test_storage": _test_storage, "test_mail": _test_mail, "test_dns": _test_dns}


def _category(name: str) -> str:
    return name if name in categories() else next(iter(categories()))


def _changes(shown: Sequence[Shown], keys: Sequence[str], fields: forms.Fields) -> dict[str, str]:
    """Return the fields that differ from what the settings are."""
    changes = {}
    for each in shown:
        key = each.setting.key
        if key not in keys or key not in fields:
            continue
        typed = fields[key].strip()
        if each.setting.is_sensitive:
            if typed or CLEAR + key in fields:
                changes[key] = typed
        elif typed != _text(each):
            changes[key] = typed
    return changes


def _text(shown: Shown) -> str:
    return "" if shown.value is None else text_of(shown.value)


async def _page(
    request: web.Request,
    visitor: Visitor,
    category: str,
    status: int = 200,
    *,
    error: SkyPanelError | None = None,
    wrong: Mapping[str, SkyPanelError] | None = None,
    fields: forms.Fields | None = None,
) -> web.Response:
    panel = request.app[PANEL]
    shown = {each.setting.key: each for each in await settings.show(panel, visitor.account)}
    entries = [shown[key] for key in categories()[category]]
    typed = fields or {}
    return admin_page(
        request,
        visitor,
        "settings",
        TAB,
        status,
        entries=entries,
        category=category,
        categories=[(f"{PATH}?category={name}", name) for name in categories()],
        texts={each.setting.key: "" if each.setting.is_sensitive else typed.get(each.setting.key, _text(each)) for each in entries},
        choices=await _choices(panel, entries),
        error=error,
        wrong=wrong or {},
    )


async def _choices(panel: Panel, entries: Sequence[Shown]) -> Mapping[str, Sequence[str]]:
    """Return the values of each setting that has but a few."""
    found: dict[str, Sequence[str]] = {}
    for each in entries:
        if isinstance(each.setting.default, bool):
            found[each.setting.key] = ("true", "false")
        elif each.setting.key == "default_plan":
            found[each.setting.key] = [plan.name for plan in await plans.offered(panel)]
        elif each.setting.choices:
            found[each.setting.key] = each.setting.choices
    return found
