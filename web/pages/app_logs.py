"""The log of an app: a page of lines, filtered by time, words or regular expression, level, source and dyno, and the lines to come.

All of its lines can be downloaded, and a histogram counts them.
"""

import json
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from functools import partial

from aiohttp import web

from skypanel.domain.access import Action
from skypanel.domain.app import App
from skypanel.domain.errors import Invalid
from skypanel.domain.histogram import FAILURES, Histogram
from skypanel.domain.log import Cursor, Level, LogLine, LogQuery, Source
from skypanel.domain.log_filter import LogFilter
from skypanel.flow import apps, logs
from skypanel.flow.logs import LogPage
from skypanel.ports.panel import Panel
from web import ansi, changes, live, session
from web.charts import bars
from web.keys import PANEL
from web.pages import app_frame
from web.rendering import utc

LINES = 200
CHART_HEIGHT = 80
_LEVELS = tuple(Level)
# Builds have logs of their own, on the pages of deploys.
_SOURCES = tuple(source for source in Source if source is not Source.BUILD)
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
        "download": _beside(request, "download"),
        "histogram": _beside(request, "histogram"),
    }
    return app_frame.render(request, framed, "app/logs", "Logs", 422 if complaint else 200, **values)


async def histogram(request: web.Request) -> web.Response:
    """Show how many lines and errors meet the conditions, over their time. The page of the log has this as a part of it."""
    framed, panel = await app_frame.find(request), request.app[PANEL]
    counted, trouble = await logs.histogram(panel, framed.app, _query(request.query, panel.clock.now()))
    return app_frame.render(
        request,
        framed,
        "app/log_histogram",
        "Logs",
        counted=counted,
        drawn=_drawn(counted),
        rows=_rows(request, counted),
        trouble=trouble,
        log_url=str(request.rel_url.with_path(f"/apps/{framed.app.name}/logs").with_query(_written(request))),
    )


async def download(request: web.Request) -> web.StreamResponse:
    """Send all lines that meet the conditions as text without colours, as long as the visitor may read them."""
    panel, visitor = request.app[PANEL], await session.visitor(request)
    app = await apps.access(panel, visitor.account, request.match_info["app"], Action.VIEW_APP)
    now = panel.clock.now()
    query = _query(request.query, now)
    await logs.check(panel, app, query)
    name = f"{app.name}-{now:%Y-%m-%dT%H%M%SZ}.log"
    response = web.StreamResponse(headers={"Cache-Control": "no-store", "Content-Disposition": f'attachment; filename="{name}"'})
    response.content_type, response.charset = "text/plain", "utf-8"
    return await live.send_file(request, response, _texts(panel, app, query), partial(changes.until_denied, request, app.id))


async def _texts(panel: Panel, app: App, query: LogQuery) -> AsyncIterator[str]:
    async with aclosing(logs.every_line(panel, app, query)) as found:  # type: ignore[type-var]
        async for line in found:
            yield f"{replace(line, text=ansi.plain(line.text))}\n"


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


def _drawn(counted: Histogram) -> Mapping[str, object]:
    """Return the charts of lines and of errors in one scale, and what was not counted as a part of their width."""
    labels = [f"{utc(counted.buckets.edge(number))}: {_words(*both)}" for number, both in enumerate(_both(counted))]
    most = Decimal(max(counted.lines))
    lines, failures = (
        bars([(label, Decimal(value)) for label, value in zip(labels, values, strict=True)], CHART_HEIGHT, most)
        for values in (counted.lines, counted.failures)
    )
    skipped = (counted.begin - counted.buckets.start) / (counted.buckets.end - counted.buckets.start) if counted.begin else 0
    return {"lines": lines, "failures": failures, "skipped": round(skipped * lines.width, 2)}


def _rows(request: web.Request, counted: Histogram) -> Sequence[Mapping[str, object]]:
    """Return the parts of the time that have lines, each with the URL of its lines."""
    buckets, here = counted.buckets, request.rel_url.with_path(request.path.removesuffix("/histogram"))

    def url(number: int) -> str:
        times = {"since": _local(buckets.edge(number)), "until": _local(buckets.edge(number + 1))}
        return str(here.with_query(_written(request) | times))

    return [
        {
            "begin": utc(buckets.edge(number)),
            "url": url(number),
            "lines": lines,
            "failures": failures,
        }
        for number, (lines, failures) in enumerate(_both(counted))
        if lines
    ]


def _both(counted: Histogram) -> Iterator[tuple[int, int]]:
    return zip(counted.lines, counted.failures, strict=True)


def _words(lines: int, failures: int) -> str:
    return f"{lines} {'line' if lines == 1 else 'lines'}, {failures} {'error' if failures == 1 else 'errors'}"


def _local(time: datetime) -> str:
    """Return a time as a field of the form has it."""
    return time.replace(tzinfo=None).isoformat()


def _written(request: web.Request) -> dict[str, str]:
    """Return the conditions in the URL, without the place of a page."""
    return {name: value for name, value in _fields(request.query).items() if value}


def _beside(request: web.Request, name: str) -> str:
    return str(request.rel_url.with_path(f"{request.path}/{name}").with_query(_written(request)))


def _stream(request: web.Request, query: LogQuery, found: LogPage) -> Mapping[str, str]:
    """Return where the lines after a page come from, and the place after its last line."""
    last = query.newer(found.lines).newer_than if found.lines else query.newer_than
    return {"url": _beside(request, "events"), "after": _place(last) if last else ""}


def _shown(app: App, line: LogLine) -> Mapping[str, object]:
    """Return a line as the page and its events have it; `kind` is `failure` or empty, `parts` are of `ansi.parse`."""
    return {
        "link": f"/apps/{app.name}/logs?newer={_place(Cursor(line.time, 0))}#L1",
        "when": line.time.strftime("%m-%d %H:%M:%S"),
        "time": utc(line.time),
        "process": line.process,
        "kind": "failure" if line.level in FAILURES else "",
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
