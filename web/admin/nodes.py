"""The page of worker nodes: their states, and a form that adds one."""

from collections.abc import Awaitable, Callable, Mapping

from aiohttp import web

from skypanel.domain.account import Account
from skypanel.domain.deletion import check_confirmed
from skypanel.domain.errors import Conflict, Denied, Invalid, NotFound, SkyPanelError, Unavailable
from skypanel.domain.node import SSH_PORT, Node, NodeChange, SecretKind
from skypanel.flow import nodes
from skypanel.ports.panel import Panel
from web import forms
from web.admin.place import admin_page, administrator
from web.keys import PANEL
from web.messages import done
from web.session import Visitor

PATH = "/admin/nodes"
TAB = "Nodes"

DEFAULTS = {"name": "", "address": "", "port": str(SSH_PORT), "user": "root"}

Change = Callable[[Panel, Account, str], Awaitable[Node | None]]

CHANGES: Mapping[str, Change] = {
    NodeChange.PROVISION: nodes.provision,
    NodeChange.DRAIN: nodes.drain,
    NodeChange.ACTIVATE: nodes.activate,
    NodeChange.REMOVE: nodes.remove,
}


async def show(request: web.Request) -> web.Response:
    """Show the nodes, their alerts, and the form."""
    return await _page(request, await administrator(request))


async def add(request: web.Request) -> web.Response:
    """Add a machine, and provision it if the form asks for that."""
    panel, visitor = request.app[PANEL], await administrator(request)
    fields = await forms.read(request)
    try:
        kind, secret = _secret(fields)
        name, place = fields.get("name", ""), (fields.get("address", ""), _port(fields), fields.get("user", ""))
        await nodes.add(panel, visitor.account, name, *place, kind, secret)
        if "provision" in fields:
            await nodes.provision(panel, visitor.account, name)
    except (Invalid, Conflict, Denied, Unavailable) as error:
        return await _page(request, visitor, 422, error=error, fields=fields)
    return done(request, PATH, f"{name} is added.")


async def change(request: web.Request) -> web.Response:
    """Provision, drain, activate or remove a node."""
    visitor = await administrator(request)
    fields = await forms.read(request)
    action = CHANGES.get(fields.get("change", ""))
    if action is None:
        raise Invalid("This is not an action of a node.", "Use one of the buttons on the page.")
    try:
        if action is nodes.remove:
            check_confirmed(fields.get("name", ""), fields.get("confirm", ""))
        await action(request.app[PANEL], visitor.account, fields.get("name", ""))
    except (Conflict, Invalid, NotFound, Unavailable) as error:
        return await _page(request, visitor, 422, error=error)
    return done(request, PATH, f"{fields.get('name', '')}: {fields['change']} is under way.")


def _secret(fields: forms.Fields) -> tuple[SecretKind, str]:
    key, password = fields.get("key", "").strip(), fields.get("password", "")
    if bool(key) == bool(password):
        raise Invalid("Give a private key or a password, and not both.", "Use the one that the machine accepts.")
    # Browsers send CRLF line ends in form fields; a private key needs LF.
    return (SecretKind.KEY, "\n".join(key.splitlines()) + "\n") if key else (SecretKind.PASSWORD, password)


def _port(fields: forms.Fields) -> int:
    text = fields.get("port", "")
    if not (text.isascii() and text.isdigit() and len(text) <= 5):  # noqa: PLR2004 - digits of the largest port
        raise Invalid("This is not a port number.", f"The default SSH port is {SSH_PORT}.")
    return int(text)


async def _page(
    request: web.Request,
    visitor: Visitor,
    status: int = 200,
    *,
    error: SkyPanelError | None = None,
    fields: forms.Fields | None = None,
) -> web.Response:
    found, alerts = await nodes.overview(request.app[PANEL], visitor.account)
    values = {name: (fields or {}).get(name, default) for name, default in DEFAULTS.items()}
    return admin_page(
        request,
        visitor,
        "nodes",
        TAB,
        status,
        nodes=[overview.node for overview in found],
        alerts=alerts,
        error=error,
        fields=values,
    )
