"""Servers that get log lines."""

from collections.abc import Sequence
from typing import Protocol

from skypanel.domain.internet import Network
from skypanel.domain.log_drain import Shipment

SEND_S = 10.0


class LogDrains(Protocol):
    async def check(self, url: str, networks: Sequence[Network]) -> None:
        """Raise Denied if the panel may not connect to the host of a URL, Unavailable if its name cannot be resolved."""
        ...

    def open(self, url: str) -> "DrainConnection":
        """Return what sends lines to a URL. It connects when there are some."""
        ...


class DrainConnection(Protocol):
    async def send(self, shipment: Shipment, networks: Sequence[Network]) -> None:
        """Send lines within SEND_S seconds, on a connection to a checked address.

        Raises Denied as `check`; Invalid if the server will never take them; Unavailable if it may take the same shipment later.
        The errors do not show the URL.
        """
        ...

    async def close(self) -> None:
        """Close the connection."""
        ...
