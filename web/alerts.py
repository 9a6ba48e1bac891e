"""What the pages of alerts share: those of an organization, and those of the platform, where there is no organization."""

from collections.abc import Awaitable, Callable, Mapping

from aiohttp import web

from skypanel.domain.account import Account, Organization
from skypanel.domain.alert import MAX_NAME_LENGTH, MAX_URL_LENGTH, AlertFilter, AlertKind, read_kind, read_silence, rules_of
from skypanel.domain.errors import Invalid, SkyPanelError
from skypanel.domain.ids import AlertId, DestinationId, as_id
from skypanel.domain.paging import page_number
from skypanel.flow import alert_destinations, alerts
from skypanel.ports.panel import Panel
from web import forms, paging
from web.keys import PANEL

SILENCE_WORDS = {"1h": "for an hour", "1d": "for a day", "7d": "for a week"}
_RULE = "rule."

# Each returns what the page says.
Do = Callable[[Panel, Account, Organization | None, forms.Fields], Awaitable[str]]


async def act(request: web.Request, by: Account, organization: Organization | None, fields: forms.Fields) -> str:
    """Do what the button of a form says, and return what the page says. Raises whatever is wrong."""
    do = forms.chosen(fields, FORM_ACTIONS, Invalid("This is not an action of alerts.", "Use one of the buttons on the page."))
    return await do(request.app[PANEL], by, organization, fields)


async def values(
    request: web.Request,
    by: Account,
    organization: Organization | None,
    *,
    may_manage: bool = True,
    error: SkyPanelError | None = None,
    fields: forms.Fields | None = None,
) -> dict[str, object]:
    """Return what the template of a page of alerts needs. Raises Denied."""
    panel, fields = request.app[PANEL], fields or {}
    kind = request.query.get("rule", "")
    wanted = AlertFilter(
        organization_id=organization.id if organization else None,
        kind=read_kind(kind) if kind else None,
        is_open=request.query.get("state") == "open",
    )
    part = await alerts.history(panel, by, wanted, page_number(request.query.get("page", "")))
    rules = rules_of(admins=organization is None)
    return {
        "part": part,
        "pages": paging.numbered(request, part),
        "wanted": wanted,
        "rules": rules,
        "may_manage": may_manage,
        "silences": SILENCE_WORDS,
        "destinations": await alert_destinations.of(panel, by, organization) if may_manage else (),
        "error": error,
        "new_name": fields.get("name", ""),
        "chosen": _ticked(fields) if fields.get("do") == "add" else set(rules),
        "max_name": MAX_NAME_LENGTH,
        "max_url": MAX_URL_LENGTH,
    }


async def _resolve(panel: Panel, by: Account, organization: Organization | None, fields: forms.Fields) -> str:
    alert = await alerts.resolve(panel, by, _alert_id(fields), organization)
    return f"Resolved: {alert.message}"


async def _silence(panel: Panel, by: Account, organization: Organization | None, fields: forms.Fields) -> str:
    alert = await alerts.silence(panel, by, _alert_id(fields), read_silence(fields.get("for", "")), organization)
    return f"Silenced: {alert.message}"


async def _add(panel: Panel, by: Account, organization: Organization | None, fields: forms.Fields) -> str:
    muted = set(rules_of(admins=organization is None)) - _rules(fields)
    made = await alert_destinations.add(
        panel, by, organization, name=fields.get("name", "").strip(), url=fields.get("url", "").strip(), muted=muted
    )
    return f"{made.name} gets alerts from now on. Test it."


async def _choose(panel: Panel, by: Account, organization: Organization | None, fields: forms.Fields) -> str:
    changed = await alert_destinations.choose(panel, by, organization, _destination_id(fields), _rules(fields))
    return f"The rules of {changed.name} are saved."


async def _try_out(panel: Panel, by: Account, organization: Organization | None, fields: forms.Fields) -> str:
    tested = await alert_destinations.try_out(panel, by, organization, _destination_id(fields))
    return f"{tested.name} took a message. Look whether it is there."


async def _remove(panel: Panel, by: Account, organization: Organization | None, fields: forms.Fields) -> str:
    removed = await alert_destinations.remove(panel, by, organization, _destination_id(fields))
    return f"{removed.name} gets nothing more."


FORM_ACTIONS: Mapping[str, Do] = {
    "resolve": _resolve,
    "silence": _silence,
    "add": _add,
    "rules": _choose,
    "test": _try_out,
    "remove": _remove,
}


def _rules(fields: forms.Fields) -> set[AlertKind]:
    return set(map(read_kind, _ticked(fields)))


def _ticked(fields: forms.Fields) -> set[str]:
    return {name.removeprefix(_RULE) for name in fields if name.startswith(_RULE)}


def _alert_id(fields: forms.Fields) -> AlertId:
    found = as_id(fields.get("id", ""))
    if found is None:
        raise Invalid("This names no alert.", "Use a button of the page.")
    return AlertId(found)


def _destination_id(fields: forms.Fields) -> DestinationId:
    found = as_id(fields.get("id", ""))
    if found is None:
        raise Invalid("This names no destination.", "Use a button of the page.")
    return DestinationId(found)
