"""Sessions: the browsers that are signed in to an account."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from skypanel.domain.ids import SessionId

MAX_USER_AGENT = 300

# The first word that a User-Agent header contains counts: browsers also name those that they descend from.
_BROWSERS = (
    ("Edg", "Edge"), ("OPR/", "Opera"), ("SamsungBrowser/", "Samsung Internet"), ("Firefox/", "Firefox"), ("FxiOS/", "Firefox"),
    ("CriOS/", "Chrome"), ("Chrome/", "Chrome"), ("Safari/", "Safari"), ("curl/", "curl"),
)  # fmt: skip
_SYSTEMS = (
    ("iPhone", "iPhone"), ("iPad", "iPad"), ("Android", "Android"), ("Windows", "Windows"), ("Mac OS X", "macOS"), ("CrOS", "ChromeOS"),
    ("Linux", "Linux"),
)  # fmt: skip


@dataclass(frozen=True)
class Session:
    """A browser that is signed in. `address` is where it signed in from; both it and `browser` are None if they are not known."""

    id: SessionId
    browser: str | None
    address: str | None
    begun_at: datetime
    last_seen_at: datetime
    is_this: bool


def browser_of(user_agent: str | None) -> str:
    """Return the browser and system that a User-Agent header names, in words that contain nothing of the header itself."""
    browser, system = _first(_BROWSERS, user_agent or ""), _first(_SYSTEMS, user_agent or "")
    return f"{browser or 'Unknown browser'} on {system}" if system else browser or "Unknown browser"


def _first(table: Sequence[tuple[str, str]], text: str) -> str | None:
    return next((name for word, name in table if word in text), None)
