"""Where an app's logs are read."""

from skypanel.domain.identity import derived_id
from web.api import serializers, tickets
from web.api.calls import Call, Reply
from web.api.schema import boolean, integer, record, string

DEFAULT_LINES = 100
MAX_LINES = 1500
SOURCES = {"heroku": "skypanel"}  # what a platform prints, by its own name
CREATE = record(dyno=string(nullable=True), type=string(nullable=True), source=string(nullable=True), lines=integer(0), tail=boolean())


async def create(call: Call) -> Reply:
    """Return where to read the log lines of an app, of one of its dynos or process types, or from one source."""
    app, body = await call.app(), call.body
    wishes = {
        "dyno": body.get("dyno") or body.get("type"),
        "lines": min(body.get("lines", DEFAULT_LINES), MAX_LINES),
        "source": SOURCES.get(body.get("source"), body.get("source")),
        "tail": body.get("tail", False),
    }
    url = tickets.url(call, app, "logs", wishes)
    now = serializers.time(call.panel.clock.now())
    return Reply({"id": str(derived_id(url)), "created_at": now, "logplex_url": url, "updated_at": now}, 201)
