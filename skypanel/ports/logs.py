"""Logs of apps."""

from collections.abc import AsyncIterator, Sequence
from datetime import datetime
from typing import Protocol

from skypanel.domain.app import App
from skypanel.domain.histogram import Buckets, Histogram
from skypanel.domain.ids import AppId, OrganizationId
from skypanel.domain.log import NEWEST, LogLine, LogQuery, Source


class Logs(Protocol):
    def read(self, app: App, query: LogQuery = NEWEST, *, follow: bool = False) -> AsyncIterator[LogLine]:
        """Yield a page of an app's lines, oldest first, and with `follow` new lines that the query admits.

        Raises Invalid if the pattern is not in RE2's syntax, and Unavailable.
        """
        ...

    def all(self, app: App, query: LogQuery) -> AsyncIterator[LogLine]:
        """Yield all lines that the query admits, oldest first, in bounded memory. Its limit does not matter.

        Raises Invalid if the pattern is not in RE2's syntax, and Unavailable.
        """
        ...

    async def count(self, app: App, query: LogQuery, buckets: Buckets) -> Histogram:
        """Count the lines that the query admits, in bounded time. Its limit, its times and its cursors do not matter.

        Raises Invalid if the pattern is not in RE2's syntax, and Unavailable.
        """
        ...

    def trouble(self) -> str | None:
        """Return why lines come from elsewhere than they should, or None."""
        ...

    async def write(self, app: App, text: str, source: Source = Source.API, dyno: str = "") -> None:
        """Add a line of the platform's own to an app's log, or about one of its dynos. Raises Unavailable."""
        ...

    async def append(self, app_id: AppId, lines: Sequence[LogLine], *, again: bool = False) -> None:
        """Add lines of an app's dynos, for engines that do not store them themselves.

        `again` means that some lines may be stored already. Raises Unavailable; retry with `again`.
        """
        ...

    async def kept(self) -> Sequence[AppId]:
        """Return the ids of apps that have log lines."""
        ...

    async def oldest(self, app: App) -> datetime | None:
        """Return the time of the oldest line that an app still has, or None if it has none."""
        ...

    async def drop(self, app_id: AppId, before: datetime) -> None:
        """Delete lines of an app that are older than a time. Some stay up to a day longer. Raises Unavailable."""
        ...

    async def forget(self, app_id: AppId, organization_id: OrganizationId | None = None) -> None:
        """Delete an app's log lines; with its last organization, also those in a store that keeps organizations apart."""
        ...
