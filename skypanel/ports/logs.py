"""Logs of apps."""

from collections.abc import AsyncIterator, Sequence
from typing import Protocol

from skypanel.domain.app import App
from skypanel.domain.ids import AppId
from skypanel.domain.log import LogLine, Source


class Logs(Protocol):
    def read(self, app: App, lines: int = 100, *, follow: bool = False, dyno: str | None = None) -> AsyncIterator[str]:
        """Yield an app's log lines, oldest first: `<RFC 3339 time> app[web.1]: <text>`."""
        ...

    async def write(self, app: App, text: str, source: Source = Source.API) -> None:
        """Add a line of the platform's own to an app's log, as `app[api]` or `skypanel[router]`."""
        ...

    async def append(self, app_id: AppId, lines: Sequence[LogLine], *, again: bool = False) -> None:
        """Add lines of an app's dynos, for engines that do not store them themselves.

        `again` means that some lines may be stored already. Raises Unavailable; retry with `again`.
        """
        ...

    async def kept(self) -> Sequence[AppId]:
        """Return the ids of apps that have log lines."""
        ...

    async def forget(self, app_id: AppId) -> None:
        """Delete an app's log lines."""
        ...
