"""Log sessions: URLs at which clients read an app's logs."""

from collections.abc import Mapping
from dataclasses import asdict, replace
from datetime import datetime
from typing import Annotated, Any

from msgspec import Meta

from skypanel.domain.errors import Invalid
from skypanel.domain.log import LogQuery, stamp
from skypanel.domain.log_filter import LogFilter
from skypanel.flow import logs
from web.api import tickets
from web.api.bodies import Body, Number, Text
from web.api.calls import Call, Reply
from web.api.resources import dynos

DEFAULT_LINES = 100
MAX_LINES = 1500
MAX_REGEX = 500
# Heroku's names, for all lines that begin with `app[` and for those of the platform itself.
_PLATFORM = "router,system"
SOURCES = {"app": "app,api,build,release", "heroku": _PLATFORM, "skypanel": _PLATFORM}


class NewLogSession(Body):
    """Which log lines to read, and whether to follow the log. `since`, `until`, `search`, `regex` and `level` are not Heroku's."""

    dyno: Text | None = None
    type: Text | None = None
    source: Text | None = None
    lines: Number = DEFAULT_LINES
    tail: bool = False
    since: Text | None = None
    until: Text | None = None
    search: Text | None = None
    regex: Annotated[str, Meta(max_length=MAX_REGEX)] | None = None
    level: Text | None = None


async def create(call: Call, body: NewLogSession) -> Reply:
    """Create a URL that returns log lines of an app, optionally only those that meet some conditions."""
    app, now = await call.app(), call.panel.clock.now()
    written = LogFilter(
        since=body.since or "",
        until=body.until or "",
        search=body.search or "",
        regex=body.regex or "",
        level=body.level or "",
        source=SOURCES.get(body.source or "", body.source or ""),
        dyno=body.dyno or body.type or "",
    )
    query = written.query(now)
    if body.tail and query.until:
        raise Invalid("A tail has no end.", "Give until without tail.")
    await logs.check(call.panel, app, query)
    # How long ago something was is said now; the URL is opened later.
    times = {name: stamp(time) for name, time in (("since", query.since), ("until", query.until)) if time}
    options = {name: value for name, value in (asdict(written) | times).items() if value}
    url = tickets.url(call, app, "logs", {**options, "lines": min(body.lines, MAX_LINES), "tail": body.tail})
    return Reply(dynos.log_session(url, now), 201)


def query_of(options: Mapping[str, Any], now: datetime) -> LogQuery:
    """Return the query of a ticket that `create` made."""
    conditions = {name: value for name, value in options.items() if name not in {"lines", "tail"}}
    return replace(LogFilter(**conditions).query(now), limit=options["lines"])
