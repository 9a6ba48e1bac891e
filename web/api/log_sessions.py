"""Log sessions: URLs at which clients read an app's logs."""

from web.api import tickets
from web.api.bodies import Body, Number, Text
from web.api.calls import Call, Reply
from web.api.resources import dynos

DEFAULT_LINES = 100
MAX_LINES = 1500
SOURCES = {"heroku": "skypanel"}  # Heroku's name for lines of the platform itself, and ours


class NewLogSession(Body):
    """Which log lines to read, and whether to follow the log."""

    dyno: Text | None = None
    type: Text | None = None
    source: Text | None = None
    lines: Number = DEFAULT_LINES
    tail: bool = False


async def create(call: Call, body: NewLogSession) -> Reply:
    """Create a URL that returns log lines of an app, optionally only those of one dyno, process type or source."""
    app = await call.app()
    options = {
        "dyno": body.dyno or body.type,
        "lines": min(body.lines, MAX_LINES),
        "source": SOURCES.get(body.source or "", body.source),
        "tail": body.tail,
    }
    url = tickets.url(call, app, "logs", options)
    return Reply(dynos.log_session(url, call.panel.clock.now()), 201)
