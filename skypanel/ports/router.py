"""The routing of hostnames to apps."""

from collections.abc import Sequence
from typing import Protocol

from skypanel.domain.routing import Route


class Router(Protocol):
    async def confirm(self, routes: Sequence[Route], timeout_s: float = 10.0) -> None:
        """Return once the proxy uses these routes. Raises Unavailable after `timeout_s`."""
        ...
