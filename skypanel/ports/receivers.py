"""Servers that get webhooks."""

from collections.abc import Sequence
from typing import Protocol

from skypanel.domain.internet import Network
from skypanel.domain.webhook import Posting

POST_S = 10.0


class Receivers(Protocol):
    async def check(self, url: str, networks: Sequence[Network]) -> None:
        """Raise Denied if the panel may not connect to the host of a URL, Unavailable if its name cannot be resolved."""
        ...

    async def post(self, posting: Posting) -> int:
        """POST a body, within POST_S seconds, and return the status of the answer. Redirects are not followed.

        Raises Denied as `check`, and Unavailable, which says why there is no answer.
        """
        ...
