"""Proxies before the panel: who they are, and for whom they speak."""

from functools import lru_cache
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network

Network = IPv4Network | IPv6Network


def parse_network(text: str) -> Network:
    """Return the network, of IPv4 or IPv6, that a text names. Raises ValueError."""
    if "%" in text:
        raise ValueError(f"{text} is an interface's own")  # and anything may follow the sign
    return ip_network(text)


def visitor(forwarded_for: str, trusted: tuple[str, ...]) -> str:
    """Return the address of who asks, from an X-Forwarded-For whose last address our own proxy wrote.

    Each proxy adds whom it was asked by, and a client may have written what comes before: the last one counts that is no
    trusted proxy.
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
