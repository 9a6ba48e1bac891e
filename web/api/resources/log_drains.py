"""Log drains of apps, in Heroku's shape."""

from skypanel.domain import log_drain as rules
from web.api.resources.common import Id, Resource, Time, Url, time


class LogDrain(Resource, kw_only=True):
    """A server that gets the lines of an app's log. The URL is without its user, path and query, which may be secret."""

    id: Id
    addon: None = None
    created_at: Time
    extended: None = None
    token: str
    updated_at: Time
    url: Url


def log_drain(of: rules.LogDrain) -> LogDrain:
    """Return a log drain."""
    return LogDrain(id=str(of.id), created_at=time(of.created_at), token=of.token, updated_at=time(of.updated_at), url=of.shown)
