"""Pages of an app's log."""

from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from skypanel.domain.app import App
from skypanel.domain.histogram import Buckets, Histogram
from skypanel.domain.log import MAX_AHEAD, Cursor, LogLine, LogQuery
from skypanel.ports.panel import Panel

HISTOGRAM_TIME = timedelta(hours=1)
# Lines are not kept for longer.
HISTOGRAM_MAX = timedelta(days=3 * 365)


@dataclass(frozen=True)
class LogPage:
    """Lines, oldest first, and the queries of the pages before and after; None at an end.

    `trouble` says why the lines come from elsewhere than they should.
    """

    lines: Sequence[LogLine]
    older: LogQuery | None
    newer: LogQuery | None
    trouble: str | None = None


async def page(panel: Panel, app: App, query: LogQuery) -> LogPage:
    """Return a page of an app's log. Raises Invalid for a bad pattern, and Unavailable."""
    # One more line tells whether there is a further page.
    async with aclosing(panel.logs.read(app, replace(query, limit=query.limit + 1))) as found:  # type: ignore[type-var]
        lines = [line async for line in found]
    is_full = len(lines) > query.limit
    lines = lines[: query.limit] if query.from_start else lines[-query.limit :]
    trouble = panel.logs.trouble()
    if not lines:
        return LogPage(lines, None, None, trouble)
    has_older = query.newer_than is not None if query.from_start else is_full
    has_newer = is_full if query.from_start else query.older_than is not None
    return LogPage(lines, query.older(lines) if has_older else None, query.newer(lines) if has_newer else None, trouble)


async def check(panel: Panel, app: App, query: LogQuery) -> None:
    """Raise Invalid if the pattern is bad, before a response begins."""
    if query.pattern:
        async with aclosing(panel.logs.read(app, replace(query, limit=0))) as found:  # type: ignore[type-var]
            async for _ in found:
                break


async def oldest(panel: Panel, app: App) -> datetime | None:
    """Return the time of the oldest line that an app still has, or None if it has none."""
    return await panel.logs.oldest(app)


async def every_line(panel: Panel, app: App, query: LogQuery) -> AsyncIterator[LogLine]:
    """Yield all lines that a query admits, oldest first, whatever its limit. Raises what `page` raises."""
    async with aclosing(panel.logs.all(app, query)) as found:  # type: ignore[type-var]
        async for line in found:
            yield line


async def histogram(panel: Panel, app: App, query: LogQuery) -> tuple[Histogram, str | None]:
    """Count a query's lines over its time, or over the last HISTOGRAM_TIME before its end, and return `trouble` as well.

    Raises what `page` raises.
    """
    now = panel.clock.now()
    first, last = now - HISTOGRAM_MAX, now + MAX_AHEAD
    until = min(max(query.until or now, first), last)
    since = min(max(query.since or until - HISTOGRAM_TIME, first), until)
    counted = await panel.logs.count(app, query, Buckets.over(since, until))
    return counted, panel.logs.trouble()


async def follow(panel: Panel, app: App, query: LogQuery) -> AsyncIterator[tuple[Cursor, LogLine]]:
    """Yield a page of an app's log and then its new lines, without end, each with the cursor after it. Raises what `page` raises."""
    async with aclosing(with_cursors(panel.logs.read(app, query, follow=True), query.newer_than)) as found:  # type: ignore[type-var]
        async for each in found:
            yield each


async def with_cursors(lines: AsyncIterator[LogLine], after: Cursor | None) -> AsyncIterator[tuple[Cursor, LogLine]]:
    """Yield lines that follow a cursor, each with the cursor after it."""
    edge = after
    async with aclosing(lines):  # type: ignore[type-var]
        async for line in lines:
            edge = Cursor(line.time, edge.seen + 1 if edge and edge.time == line.time else 1)
            yield edge, line
