"""A call of the API, and what it is answered."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from uuid import UUID

from aiohttp import web

from skypanel.domain.access import AccountAction, Action
from skypanel.domain.account import Account, Organization
from skypanel.domain.app import App
from skypanel.domain.errors import NotFound
from skypanel.flow import apps, organizations
from skypanel.flow.accounts import Caller
from skypanel.ports.panel import Panel
from web.api.ranges import Page, Range
from web.keys import PANEL

Needs = Action | AccountAction


@dataclass(frozen=True)
class Call:
    """A request by somebody who is known, with what it says checked for its form."""

    request: web.Request
    caller: Caller
    needs: Needs
    params: Mapping[str, str]
    range: Range
    warnings: list[str] = field(default_factory=list)

    @property
    def panel(self) -> Panel:
        """The panel that is asked."""
        return self.request.app[PANEL]

    @property
    def account(self) -> Account:
        """Who asks."""
        return self.caller.account

    def warn(self, text: str) -> None:
        """Have the answer's headers say what was not done as it was asked; the CLI shows that."""
        self.warnings.append(text)

    async def app(self) -> App:
        """Return the app that the path names, if the caller's role allows the call. Raises NotFound or Denied."""
        if not isinstance(self.needs, Action):
            raise TypeError("a call about an app needs an action on apps")
        return await apps.access(self.panel, self.account, self.params["app"], self.needs)

    async def organization(self, needs: Action | None = None) -> Organization:
        """Return the organization in the path, if the caller's role allows `needs`, or else the call. Raises NotFound or Denied."""
        if not isinstance(self.needs, Action):
            raise TypeError("a call about an organization needs an action on it")
        return await organizations.access(self.panel, self.account, self.params["team"], needs or self.needs)

    def id(self, name: str, noun: str) -> UUID:
        """Return an id that the path names. Raises NotFound for what is none."""
        try:
            return UUID(self.params[name])
        except ValueError:
            raise NotFound(f"There is no such {noun}.") from None


@dataclass(frozen=True)
class Reply:
    """What is answered, as JSON: a resource, several, or plain values."""

    body: object
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)


Answer = Reply | Page | web.StreamResponse
