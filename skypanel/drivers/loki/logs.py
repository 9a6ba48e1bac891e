"""The lines of apps in a Loki: pages of them, and new ones as they come."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Sequence
from contextlib import aclosing, contextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from skypanel.domain.app import App
from skypanel.domain.errors import Invalid, Unavailable
from skypanel.domain.histogram import FAILURES, Buckets, Histogram
from skypanel.domain.ids import AppId, OrganizationId
from skypanel.domain.log import LogLine, LogQuery
from skypanel.domain.log_retention import MAX_DAYS
from skypanel.domain.loki import Loki
from skypanel.drivers.logs.matching import Matches, matcher
from skypanel.drivers.logs.watch import Watches
from skypanel.drivers.loki.client import LokiClient
from skypanel.drivers.loki.wire import MAX_ENTRIES, MAX_RANGE, NS_IN_US, Entry, counting, expression, moment, nanoseconds
from skypanel.ports.clock import Clock

POLL_S = 1.0
# Lines of different nodes may arrive in another order than they were written.
OVERLAP = timedelta(seconds=5)
# A clock may be ahead of ours.
AHEAD = timedelta(hours=1)
# No older lines are asked for: a query takes one request for each MAX_RANGE.
MAX_AGE = timedelta(days=3 * 365)


class LokiLines:
    """Reads the lines of apps from one Loki. `poll_s` is how often it is asked for new ones, once for all followers of an app."""

    def __init__(self, loki: Loki, clock: Clock, poll_s: float = POLL_S) -> None:
        self._loki = loki
        self._clock = clock
        self.client = LokiClient(loki)
        self._watches = Watches(poll_s)

    async def read(self, app: App, query: LogQuery, *, follow: bool = False) -> AsyncIterator[LogLine]:
        """Yield a page of an app's lines, oldest first, and with `follow` new lines until cancelled. Raises Invalid and Unavailable."""
        wanted = matcher(query)
        if not follow:
            for line in await self.page(app, query, wanted):
                yield line
            return
        try:
            async with aclosing(self._watches.lines(app.id, query, wanted, lambda: self._begin(app))) as lines:
                async for line in lines:
                    yield line
        except OSError as error:
            raise Unavailable(str(error)) from error

    async def all(self, app: App, query: LogQuery) -> AsyncIterator[LogLine]:
        """Yield all lines that the query admits, oldest first, in bounded memory. Raises Invalid and Unavailable."""
        wanted = matcher(query)
        following = replace(query, limit=MAX_ENTRIES, from_start=True, older_than=None)
        while page := await self.page(app, following, wanted):
            for line in page:
                yield line
            following = following.newer(page)

    async def count(self, app: App, query: LogQuery, buckets: Buckets) -> Histogram:
        """Count the lines that the query admits. One at the edge of two buckets is in the earlier one. Raises Invalid and Unavailable."""
        matcher(query)
        lines, failures = [0] * buckets.number, [0] * buckets.number
        tenant, wanted = self._loki.tenant_of(app.organization_id), counting(app.id, query, buckets.step)
        at_once = max(1, MAX_RANGE // buckets.step - 1)
        begin = max(0, (self._clock.now() - MAX_AGE - buckets.start) // buckets.step)
        for first in range(begin, buckets.number, at_once):
            ends = (first + 1, min(first + at_once, buckets.number))
            start_s, end_s = (int(buckets.edge(number).timestamp()) for number in ends)
            with _limits():
                found = await self.client.count(tenant, wanted, start_s, end_s, buckets.step // timedelta(seconds=1))
            for level, end, count in found:
                if (number := buckets.at(end - buckets.step)) is not None:
                    lines[number] += count
                    failures[number] += count if level in FAILURES else 0
        return Histogram(buckets, lines, failures)

    async def page(self, app: App, query: LogQuery, wanted: Matches) -> list[LogLine]:
        """Return a page of an app's lines."""
        found = await self.find(app, query) if query.limit > 0 else []
        return query.page([each.line for each in found if wanted(each.line)])

    async def find(self, app: App, query: LogQuery) -> list[Entry]:
        """Return the entries of which `query.page` makes the page."""
        start, end = _range(query, self._clock.now())
        found: list[Entry] = []
        for first, last in _slices(start, end, is_forward=query.from_start):
            left = query.longest_page - len(found)
            part = await self._slice(app, query, first, last, left)
            found = [*found, *part] if query.from_start else [*part, *found]
            if len(found) >= query.longest_page:
                break
        return found

    async def since(self, app: App, start: datetime) -> list[Entry]:
        """Return all entries of an app from a time on."""
        return await self._slice(app, LogQuery(), start, self._clock.now() + AHEAD, 10**9)

    async def _slice(self, app: App, query: LogQuery, start: datetime, end: datetime, wanted: int) -> list[Entry]:
        """Return the first or the last entries of a time that Loki takes in one query. All of a microsecond are there, or none."""
        found: list[Entry] = []
        first_ns, last_ns = nanoseconds(start), nanoseconds(end)
        while len(found) < wanted and first_ns < last_ns:
            limit = min(wanted - len(found), MAX_ENTRIES)
            part = await self._ask(app, query, first_ns, last_ns, limit)
            if len(part) == limit:
                edge = part[-1 if query.from_start else 0].ns // NS_IN_US * NS_IN_US
                whole = await self._ask(app, query, max(first_ns, edge), min(last_ns, edge + NS_IN_US), MAX_ENTRIES)
                rest = [each for each in part if each.ns // NS_IN_US * NS_IN_US != edge]
                part = [*rest, *whole] if query.from_start else [*whole, *rest]
                first_ns, last_ns = (edge + NS_IN_US, last_ns) if query.from_start else (first_ns, edge)
            else:
                first_ns = last_ns
            found = [*found, *part] if query.from_start else [*part, *found]
        return found

    async def _ask(self, app: App, query: LogQuery, first_ns: int, last_ns: int, limit: int) -> list[Entry]:
        tenant, wanted = self._loki.tenant_of(app.organization_id), expression(app.id, query)
        with _limits():
            return await self.client.query(tenant, wanted, first_ns, last_ns, limit, forward=query.from_start)

    async def oldest(self, app: App) -> datetime | None:
        """Return the time of an app's oldest line within the longest retention, or None if it has none. Raises Unavailable."""
        begin = self._clock.now() - timedelta(days=MAX_DAYS + 1)
        found = await self.find(app, LogQuery(since=begin, from_start=True, limit=1))
        return found[0].line.time if found else None

    async def forget(self, app_id: AppId, organization_id: OrganizationId) -> None:
        """Ask Loki to delete an app's lines. Raises Invalid and Unavailable."""
        end_s = int((self.now() + AHEAD).timestamp())
        await self.client.delete(self._loki.tenant_of(organization_id), expression(app_id, LogQuery()), end_s)

    def now(self) -> datetime:
        """Return the time."""
        return self._clock.now()

    async def _begin(self, app: App) -> "Arrivals":
        begun = self._clock.now()
        seen = await self.since(app, begun - OVERLAP)
        return Arrivals(self, app, asyncio.get_running_loop(), begun, frozenset(seen))


class Arrivals:
    """The new lines of an app, for a Watch, which asks from threads. Those of the last OVERLAP are asked for again: some come late."""

    def __init__(self, lines: LokiLines, app: App, loop: asyncio.AbstractEventLoop, edge: datetime, seen: frozenset[Entry]) -> None:
        self._lines = lines
        self._app = app
        self._loop = loop
        self._edge = edge
        self._seen = seen

    def known(self, query: LogQuery, wanted: Matches) -> Sequence[LogLine]:
        """Return a page of the lines that were already read. Raises OSError."""
        found = self._await(lambda: self._lines.find(self._app, query)) if query.limit > 0 else []
        return query.page([each.line for each in found if self._is_known(each) and wanted(each.line)])

    def fresh(self) -> Sequence[LogLine]:
        """Return the lines after the read position, and advance it. Raises OSError."""
        begin = self._edge - OVERLAP
        found = self._await(lambda: self._lines.since(self._app, begin))
        fresh = [each for each in found if each not in self._seen]
        if found:
            self._edge = max(self._edge, min(moment(found[-1].ns), self._lines.now()))
        self._seen = frozenset(each for each in found if each.line.time >= self._edge - OVERLAP)
        return [each.line for each in fresh]

    def copy(self) -> "Arrivals":
        """Return a second reader at the same position."""
        return Arrivals(self._lines, self._app, self._loop, self._edge, self._seen)

    def close(self) -> None:
        """Hold nothing open."""

    def _is_known(self, each: Entry) -> bool:
        return each.line.time < self._edge - OVERLAP or each in self._seen

    def _await(self, ask: Callable[[], Coroutine[Any, Any, list[Entry]]]) -> list[Entry]:
        try:
            return asyncio.run_coroutine_threadsafe(ask(), self._loop).result()
        except Unavailable as error:
            raise OSError(str(error)) from error


@contextmanager
def _limits() -> Iterator[None]:
    """Raise Unavailable where Loki refuses a query that the panel can answer: this Loki has other limits."""
    try:
        yield
    except Invalid as error:
        raise Unavailable(error.message) from error


def _range(query: LogQuery, now: datetime) -> tuple[datetime, datetime]:
    """Return the times from which and before which lines are wanted."""
    newest, oldest = now + AHEAD, now - MAX_AGE
    # Cursors are of any time, and so may be what a user asks for.
    last = query.older_than and min(query.older_than.time, newest) + timedelta(microseconds=1)
    end = min(time for time in (query.until, last, newest) if time)
    return max(query.begin or max(end, oldest) - MAX_RANGE, oldest), end


def _slices(start: datetime, end: datetime, *, is_forward: bool) -> Iterator[tuple[datetime, datetime]]:
    """Yield parts of a time that Loki takes in one query, in the order in which they are wanted."""
    while start < end:
        length = min(MAX_RANGE, end - start)
        if is_forward:
            yield start, start + length
            start += length
        else:
            yield end - length, end
            end -= length
