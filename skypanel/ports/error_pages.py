"""Pages of an app's own for requests that it does not answer."""

from collections.abc import Sequence
from typing import Protocol

from skypanel.domain.http_errors import OwnPage
from skypanel.domain.internet import Network

FETCH_S = 5.0
MAX_BYTES = 1_000_000


class ErrorPages(Protocol):
    async def fetch(self, url: str, networks: Sequence[Network]) -> OwnPage:
        """Return the HTML page at a URL, within FETCH_S seconds and MAX_BYTES. Redirects are not followed.

        Raises Denied if the panel may not connect to the host, and Unavailable, which says why there is no page.
        """
        ...
