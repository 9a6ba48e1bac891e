"""Trusted proxies in front of the panel, and the client addresses that they forward."""

from functools import lru_cache
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network

Network = IPv4Network | IPv6Network


def parse_network(text: str) -> Network:
    """Parse an IPv4 or IPv6 network. Raises ValueError."""
    if "%" in text:
        raise ValueError(f"{text} is an interface's own")  # and any text may follow the sign
    return ip_network(text)


def visitor(forwarded_for: str, trusted: tuple[str, ...]) -> str:
    """Return the client's address from an X-Forwarded-For whose last address our own proxy wrote.

    Each proxy appends the address of its client, and the client itself may have sent a forged beginning. So the last address that is not a
    trusted proxy counts.
    """
    named = [part.strip() for part in forwarded_for.split(",")]
    return next((address for address in reversed(named) if not _is_among(address, trusted)), named[0])


def _is_among(address: str, trusted: tuple[str, ...]) -> bool:
    try:
        return any(ip_address(address) in network for network in _networks(trusted))
    except ValueError:
        return False


@lru_cache(maxsize=1)
def _networks(trusted: tuple[str, ...]) -> tuple[Network, ...]:
    return tuple(map(parse_network, trusted))
