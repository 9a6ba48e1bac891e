"""Which hostname leads to which app."""

from collections.abc import Sequence
from typing import Protocol

from skypanel.domain.routing import Route


class Router(Protocol):
    async def confirm(self, routes: Sequence[Route], timeout_s: float = 10.0) -> None:
        """Return once the proxy has these routes in force. Raises Unavailable after `timeout_s`."""
        ...
