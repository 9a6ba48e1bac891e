"""How the panel checks an app's health."""

import re
from dataclasses import dataclass

from skypanel.domain.errors import Invalid
from skypanel.domain.names import printable

DEFAULT_PATH = "/health"
DEFAULT_INTERVAL_S = 30
MAX_INTERVAL_S = 300
MAX_PATH_LENGTH = 200

# What RFC 3986 allows in a path and a query: it goes into a request line unchanged.
_PATH = re.compile(r"/[A-Za-z0-9._~!$&'()*+,;=:@%/?-]*")


@dataclass(frozen=True)
class HealthCheck:
    """The path to request, and the interval in seconds. If the app has no such page, an open $PORT is enough."""

    path: str = DEFAULT_PATH
    interval_s: int = DEFAULT_INTERVAL_S


def check_path(path: str) -> str:
    """Return `path` if a health check may request it. Raises Invalid."""
    if not _PATH.fullmatch(path) or len(path) > MAX_PATH_LENGTH:
        raise Invalid(
            f"{printable(path)} is not a valid health check path.",
            f"Begin it with a slash, of up to {MAX_PATH_LENGTH} of the characters of a URL, such as /health.",
        )
    return path


def check_interval(interval_s: int) -> int:
    """Return `interval_s` if it is within the limits. Raises Invalid."""
    if not 1 <= interval_s <= MAX_INTERVAL_S:
        raise Invalid(f"The health check interval cannot be {interval_s} s.", f"Choose from 1 to {MAX_INTERVAL_S} s.")
    return interval_s
