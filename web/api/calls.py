"""A call of the API, and its answer."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from uuid import UUID

from aiohttp import web

from skypanel.domain.access import AccountAction, Action
from skypanel.domain.account import Account, Organization
from skypanel.domain.app import App
from skypanel.domain.errors import NotFound
from skypanel.domain.ids import as_id
from skypanel.flow import apps, organizations
from skypanel.flow.accounts import Caller
from skypanel.ports.panel import Panel
from web.api.ranges import Page, Range
from web.keys import PANEL

Needs = Action | AccountAction


@dataclass(frozen=True)
class Call:
    """An authenticated request, with its path and range parsed."""

    request: web.Request
    caller: Caller
    needs: Needs
    params: Mapping[str, str]
    range: Range
    warnings: list[str] = field(default_factory=list)

    @property
    def panel(self) -> Panel:
        """The panel that serves the call."""
        return self.request.app[PANEL]

    @property
    def account(self) -> Account:
        """The caller's account."""
        return self.caller.account

    def warn(self, text: str) -> None:
        """Add a warning to the response's headers, which the CLI shows: something was not done as requested."""
        self.warnings.append(text)

    async def app(self) -> App:
        """Return the app in the path, if the caller's role allows the call. Raises NotFound or Denied."""
        if not isinstance(self.needs, Action):
            raise TypeError("a call about an app needs an action on apps")
        return await apps.access(self.panel, self.account, self.params["app"], self.needs)

    async def organization(self, needs: Action | None = None) -> Organization:
        """Return the organization in the path, if the caller's role allows `needs`, or else the call. Raises NotFound or Denied."""
        if not isinstance(self.needs, Action):
            raise TypeError("a call about an organization needs an action on it")
        return await organizations.access(self.panel, self.account, self.params["team"], needs or self.needs)

    def id(self, name: str, noun: str) -> UUID:
        """Return the UUID in the path parameter `name`. Raises NotFound, with `noun` in its message, if it is not a UUID."""
        found = as_id(self.params[name])
        if found is None:
            raise NotFound(f"There is no such {noun}.")
        return found


@dataclass(frozen=True)
class Reply:
    """A JSON response: a resource, a list of them, or plain values."""

    body: object
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)


Answer = Reply | Page | web.StreamResponse
