"""The Logs port where the settings may name a Loki. Lines come from it, and from the engine's logs while it does not answer."""

import logging
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Sequence
from contextlib import aclosing
from datetime import datetime
from time import monotonic
from typing import TYPE_CHECKING

from skypanel.domain.app import App
from skypanel.domain.errors import Invalid, Unavailable
from skypanel.domain.histogram import Buckets, Histogram
from skypanel.domain.ids import AppId, OrganizationId
from skypanel.domain.log import NEWEST, LogLine, LogQuery, Source
from skypanel.domain.loki import Loki
from skypanel.ports.clock import Clock
from skypanel.ports.logs import Logs

if TYPE_CHECKING:
    from skypanel.drivers.loki.logs import LokiLines

# How long the settings are not read again, and how long a Loki that did not answer is not asked again.
CHOSEN_S = 2.0
AGAIN_S = 10.0

log = logging.getLogger(__name__)


class ChosenLogs:
    """Lines are written to the engine's logs, from where they are shipped to Loki."""

    def __init__(self, logs: Logs, chosen: Callable[[], Awaitable[Loki | None]], clock: Clock) -> None:
        self._logs = logs
        self._chosen = chosen
        self._clock = clock
        self._looked_at = -CHOSEN_S
        self._loki: Loki | None = None
        self._lines: LokiLines | None = None
        self._trouble: tuple[float, str] | None = None

    async def read(self, app: App, query: LogQuery = NEWEST, *, follow: bool = False) -> AsyncIterator[LogLine]:
        """Yield a page of an app's lines, oldest first, and with `follow` new lines until cancelled. Raises Invalid for a bad pattern."""
        async with aclosing(self._either(query, lambda logs, rest: logs.read(app, rest, follow=follow))) as found:
            async for line in found:
                yield line

    async def all(self, app: App, query: LogQuery) -> AsyncIterator[LogLine]:
        """Yield all lines that the query admits, oldest first, in bounded memory. Raises Invalid for a bad pattern."""
        async with aclosing(self._either(query, lambda logs, rest: logs.all(app, rest))) as found:
            async for line in found:
                yield line

    async def count(self, app: App, query: LogQuery, buckets: Buckets) -> Histogram:
        """Count the lines that the query admits. Raises Invalid for a bad pattern."""
        if lines := await self._from_loki():
            try:
                counted = await lines.count(app, query, buckets)
            except Unavailable as error:
                self._trouble = (monotonic(), error.message)
            else:
                self._trouble = None
                return counted
        return await self._logs.count(app, query, buckets)

    async def _either(
        self, query: LogQuery, read: Callable[["LokiLines | Logs", LogQuery], AsyncIterator[LogLine]]
    ) -> AsyncGenerator[LogLine, None]:
        """Yield lines from Loki, and what is left of them from the engine's logs if it does not answer."""
        edge: list[LogLine] = []
        if lines := await self._from_loki():
            try:
                async with aclosing(read(lines, query)) as found:  # type: ignore[type-var]
                    async for line in found:
                        if edge and edge[0].time != line.time:
                            edge.clear()
                        edge.append(line)
                        yield line
            except Unavailable as error:
                self._trouble = (monotonic(), error.message)
            else:
                self._trouble = None
                return
        rest = query.newer(edge) if edge else query
        async with aclosing(read(self._logs, rest)) as found:  # type: ignore[type-var]
            async for line in found:
                yield line

    def trouble(self) -> str | None:
        """Return why lines do not come from Loki, though the settings name one."""
        return self._trouble[1] if self._trouble else None

    async def write(self, app: App, text: str, source: Source = Source.API, dyno: str = "") -> None:
        """Add a line of the platform about an app, or about one of its dynos."""
        await self._logs.write(app, text, source, dyno)

    async def append(self, app_id: AppId, lines: Sequence[LogLine], *, again: bool = False) -> None:
        """Add collected lines."""
        await self._logs.append(app_id, lines, again=again)

    async def kept(self) -> Sequence[AppId]:
        """Return the apps that have lines."""
        return await self._logs.kept()

    async def oldest(self, app: App) -> datetime | None:
        """Return the time of an app's oldest line where lines are read now, or None if it has none."""
        if lines := await self._from_loki():
            try:
                return await lines.oldest(app)
            except Unavailable as error:
                self._trouble = (monotonic(), error.message)
        return await self._logs.oldest(app)

    async def drop(self, app_id: AppId, before: datetime) -> None:
        """Delete lines of an app from before a time here. Loki has a retention of its own. Raises Unavailable."""
        await self._logs.drop(app_id, before)

    async def forget(self, app_id: AppId, organization_id: OrganizationId | None = None) -> None:
        """Delete an app's lines. If Loki does not delete those of the organization, its retention does."""
        await self._logs.forget(app_id)
        if organization_id is not None and (lines := await self._from_loki()):
            try:
                await lines.forget(app_id, organization_id)
            except (Unavailable, Invalid) as error:
                log.warning("the lines of the app %s stay in Loki until its retention ends: %s", app_id, error)

    async def close(self) -> None:
        """Close all connections."""
        if self._lines is not None:
            await self._lines.client.close()

    async def _from_loki(self) -> "LokiLines | None":
        """Return what reads from Loki, or None if there is none or it did not answer just now."""
        if monotonic() - self._looked_at >= CHOSEN_S:
            self._looked_at = monotonic()
            await self._open(await self._chosen())
        return None if self._trouble and monotonic() - self._trouble[0] < AGAIN_S else self._lines

    async def _open(self, loki: Loki | None) -> None:
        if loki == self._loki:
            return
        await self.close()
        self._loki, self._lines, self._trouble = loki, None, None
        if loki is not None:
            from skypanel.drivers.loki.logs import LokiLines

            self._lines = LokiLines(loki, self._clock)
