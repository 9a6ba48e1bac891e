"""The log of an app: a page of lines, filtered by time, words or regular expression, level, source and dyno."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime

from aiohttp import web

from skypanel.domain.errors import Invalid
from skypanel.domain.log import Cursor, Level, LogQuery, Source
from skypanel.flow import logs
from skypanel.flow.logs import LogPage
from web.keys import PANEL
from web.pages import app_frame

LINES = 200
MAX_SEARCH = 200
_LEVELS = tuple(Level)
_SEEN = re.compile(r"[0-9]{1,6}")


async def show(request: web.Request) -> web.Response:
    """Show a page of the log, the newest lines first to be seen; a filter that cannot be read is explained beside it."""
    framed = await app_frame.find(request)
    fields = {name: request.query.get(name, "").strip() for name in ("since", "until", "q", "level", "source", "dyno")}
    found, complaint = LogPage((), None, None), None
    try:
        found = await logs.page(request.app[PANEL], framed.app, _query(fields, request.query))
    except Invalid as error:
        complaint = error
    pages = {name: _url(request, name, query) for name, query in (("older", found.older), ("newer", found.newer))}
    values = {"fields": fields, "levels": _LEVELS, "sources": tuple(Source), "lines": found.lines, "pages": pages, "complaint": complaint}
    return app_frame.render(request, framed, "app/logs", "Logs", 422 if complaint else 200, **values)


def _query(fields: Mapping[str, str], places: Mapping[str, str]) -> LogQuery:
    search = fields["q"]
    if len(search) > MAX_SEARCH:
        raise Invalid("The search is too long.", f"Write at most {MAX_SEARCH} characters.")
    is_pattern = len(search) > 2 and search.startswith("/") and search.endswith("/")  # noqa: PLR2004 - the slashes
    newer, older = (_cursor(places.get(name, "")) for name in ("newer", "older"))
    return LogQuery(
        since=_time(fields["since"]),
        until=_time(fields["until"]),
        words=() if is_pattern else tuple(search.split()),
        pattern=search[1:-1] if is_pattern else "",
        levels=_at_least(fields["level"]),
        sources=frozenset(source for source in Source if source.value == fields["source"]),
        dyno=fields["dyno"] or None,
        limit=LINES,
        from_start=newer is not None,
        newer_than=newer,
        older_than=None if newer else older,
    )


def _at_least(level: str) -> frozenset[Level]:
    """Return a level and the worse ones; nothing for all."""
    return frozenset(_LEVELS[_LEVELS.index(Level(level)) :]) if level in set(_LEVELS) else frozenset()


def _time(text: str) -> datetime | None:
    """Parse what the browser sends for a date and time, in UTC."""
    if not text:
        return None
    try:
        return datetime.fromisoformat(text).replace(tzinfo=UTC)
    except ValueError:
        raise Invalid(f"This is not a time: {text}", "Write it like this, in UTC: 2026-01-31T14:30") from None


def _cursor(text: str) -> Cursor | None:
    stamp, _, seen = text.partition("/")
    if not _SEEN.fullmatch(seen):
        return None
    try:
        return Cursor(datetime.fromisoformat(stamp).replace(tzinfo=UTC), int(seen))
    except ValueError:
        return None


def _url(request: web.Request, name: str, query: LogQuery | None) -> str | None:
    cursor = query and (query.older_than or query.newer_than)
    if not cursor:
        return None
    kept = {key: value for key, value in request.query.items() if key not in {"older", "newer"}}
    return str(request.rel_url.with_query(kept | {name: f"{cursor.time.replace(tzinfo=None).isoformat()}/{cursor.seen}"}))
