"""The log of an app: a page of lines, filtered by time, words or regular expression, level, source and dyno, and the lines to come."""

import json
from collections.abc import Mapping
from contextlib import aclosing
from dataclasses import replace
from datetime import datetime
from functools import partial

from aiohttp import web

from skypanel.domain.access import Action
from skypanel.domain.app import App
from skypanel.domain.errors import Invalid
from skypanel.domain.log import Cursor, Level, LogLine, LogQuery, Source
from skypanel.domain.log_filter import LogFilter
from skypanel.flow import apps, logs
from skypanel.flow.logs import LogPage
from skypanel.ports.panel import Panel
from web import ansi, changes, live, session
from web.keys import PANEL
from web.pages import app_frame
from web.rendering import utc

LINES = 200
_LEVELS = tuple(Level)
# Builds have logs of their own, on the pages of deploys.
_SOURCES = tuple(source for source in Source if source is not Source.BUILD)
_FAILURES = frozenset({Level.ERROR, Level.CRITICAL})
FIELDS = ("since", "until", "q", "level", "source", "dyno")


async def show(request: web.Request) -> web.Response:
    """Show a page of the log, the newest lines first to be seen; a filter that cannot be read is explained beside it."""
    framed = await app_frame.find(request)
    query, found, complaint = LogQuery(), LogPage((), None, None), None
    try:
        query = _query(request.query, request.app[PANEL].clock.now())
        found = await logs.page(request.app[PANEL], framed.app, query)
    except Invalid as error:
        complaint = error
    oldest = await logs.oldest(request.app[PANEL], framed.app)
    values = {
        "fields": _fields(request.query),
        "levels": _LEVELS,
        "sources": _SOURCES,
        "lines": [_shown(framed.app, line) for line in found.lines],
        "pages": {name: _url(request, name, query) for name, query in (("older", found.older), ("newer", found.newer))},
        "stream": None if complaint or found.newer or query.until else _stream(request, query, found),
        "oldest": oldest and utc(oldest),
        "trouble": found.trouble,
        "complaint": complaint,
    }
    return app_frame.render(request, framed, "app/logs", "Logs", 422 if complaint else 200, **values)


async def events(request: web.Request) -> web.StreamResponse:
    """Stream the lines that come after those that the browser has."""
    panel, visitor = request.app[PANEL], await session.visitor(request)
    app = await apps.access(panel, visitor.account, request.match_info["app"], Action.VIEW_APP)
    query = replace(
        _query(request.query, panel.clock.now()), newer_than=Cursor.parse(live.last_seen(request)), older_than=None, from_start=False
    )
    await logs.check(panel, app, query)
    return await live.send(request, partial(_copy, panel, app, query), partial(changes.until_denied, request, app.id))


async def _copy(panel: Panel, app: App, query: LogQuery, response: web.StreamResponse) -> None:
    async with aclosing(logs.follow(panel, app, query)) as found:  # type: ignore[type-var]
        async for cursor, line in found:
            await response.write(f"id: {_place(cursor)}\ndata: {json.dumps(_shown(app, line))}\n\n".encode())


def _stream(request: web.Request, query: LogQuery, found: LogPage) -> Mapping[str, str]:
    """Return where the lines after a page come from, and the place after its last line."""
    last = query.newer(found.lines).newer_than if found.lines else query.newer_than
    fields = {name: value for name, value in _fields(request.query).items() if value}
    url = request.rel_url.with_path(f"{request.path}/events").with_query(fields)
    return {"url": str(url), "after": _place(last) if last else ""}


def _shown(app: App, line: LogLine) -> Mapping[str, object]:
    """Return a line as the page and its events have it; `kind` is `failure` or empty, `parts` are of `ansi.parse`."""
    return {
        "link": f"/apps/{app.name}/logs?newer={_place(Cursor(line.time, 0))}#L1",
        "when": line.time.strftime("%m-%d %H:%M:%S"),
        "time": utc(line.time),
        "process": line.process,
        "kind": "failure" if line.level in _FAILURES else "",
        "parts": ansi.parse(line.text).parts,
    }


def _fields(values: Mapping[str, str]) -> dict[str, str]:
    return {name: values.get(name, "").strip() for name in FIELDS}


def _query(values: Mapping[str, str], now: datetime) -> LogQuery:
    fields = _fields(values)
    search = fields.pop("q")
    is_pattern = len(search) > 2 and search.startswith("/") and search.endswith("/")  # noqa: PLR2004 - the slashes
    written = LogFilter(**fields, regex=search[1:-1]) if is_pattern else LogFilter(**fields, search=search)
    newer, older = (Cursor.parse(values.get(name, "")) for name in ("newer", "older"))
    return replace(written.query(now), limit=LINES, from_start=newer is not None, newer_than=newer, older_than=None if newer else older)


def _url(request: web.Request, name: str, query: LogQuery | None) -> str | None:
    cursor = query and (query.older_than or query.newer_than)
    if not cursor:
        return None
    kept = {key: value for key, value in request.query.items() if key not in {"older", "newer"}}
    return str(request.rel_url.with_query(kept | {name: _place(cursor)}))


def _place(cursor: Cursor) -> str:
    return f"{cursor.time.replace(tzinfo=None).isoformat()}/{cursor.seen}"
