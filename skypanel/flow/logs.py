"""Pages of an app's log."""

from collections.abc import Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace

from skypanel.domain.app import App
from skypanel.domain.log import LogLine, LogQuery
from skypanel.ports.panel import Panel


@dataclass(frozen=True)
class LogPage:
    """Lines, oldest first, and the queries of the pages before and after; None at an end."""

    lines: Sequence[LogLine]
    older: LogQuery | None
    newer: LogQuery | None


async def page(panel: Panel, app: App, query: LogQuery) -> LogPage:
    """Return a page of an app's log. Raises Invalid for a bad pattern, and Unavailable."""
    # One more line tells whether there is a further page.
    async with aclosing(panel.logs.read(app, replace(query, limit=query.limit + 1))) as found:  # type: ignore[type-var]
        lines = [line async for line in found]
    is_full = len(lines) > query.limit
    lines = lines[: query.limit] if query.from_start else lines[-query.limit :]
    if not lines:
        return LogPage(lines, None, None)
    has_older = query.newer_than is not None if query.from_start else is_full
    has_newer = is_full if query.from_start else query.older_than is not None
    return LogPage(lines, query.older(lines) if has_older else None, query.newer(lines) if has_newer else None)
