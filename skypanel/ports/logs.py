"""What dynos print."""

from collections.abc import AsyncIterator, Sequence
from typing import Protocol

from skypanel.domain.app import App
from skypanel.domain.ids import AppId
from skypanel.domain.log import LogLine


class Logs(Protocol):
    def read(self, app: App, lines: int = 100, *, follow: bool = False, dyno: str | None = None) -> AsyncIterator[str]:
        """Yield an app's log lines, oldest first: `<RFC 3339 time> app[web.1]: <text>`."""
        ...

    async def write(self, app: App, text: str) -> None:
        """Add a line of the platform's own about an app, as `app[api]`."""
        ...

    async def append(self, app_id: AppId, lines: Sequence[LogLine], *, again: bool = False) -> None:
        """Add lines that an app's dynos printed where the engine itself keeps none; `again` says that some may be there already.

        Raises Unavailable; to try again, pass `again`.
        """
        ...

    async def kept(self) -> Sequence[AppId]:
        """Return the apps that have lines."""
        ...

    async def forget(self, app_id: AppId) -> None:
        """Remove an app's lines."""
        ...
