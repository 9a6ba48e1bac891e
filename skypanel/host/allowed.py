"""Private addresses that sandboxes may reach."""

from dataclasses import dataclass
from ipaddress import IPv4Network

MAX_PORT = 65535


@dataclass(frozen=True)
class Allowed:
    """Private addresses that sandboxes may reach, on one port or on all."""

    network: IPv4Network
    port: int | None = None


def parse_allowed(text: str) -> Allowed:
    """Parse `CIDR[:port]`. Raises ValueError."""
    network, _, port = text.partition(":")
    number = int(port) if port else None
    if number is not None and not 0 < number <= MAX_PORT:
        raise ValueError(f"{number} is no port")
    return Allowed(IPv4Network(network), number)
