"""Addresses of clients: which one a request came from through trusted proxies, and which addresses count as one client."""

from collections.abc import Mapping
from functools import lru_cache
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

Network = IPv4Network | IPv6Network
_NETWORK_BYTES = 8  # of an IPv6 address: one customer's network (RFC 6177)


def parse_network(text: str) -> Network:
    """Parse an IPv4 or IPv6 network. Raises ValueError."""
    if "%" in text:
        raise ValueError(f"{text} is an interface's own")  # and any text may follow the sign
    return ip_network(text)


def client(headers: Mapping[str, str], remote: str | None, trusted: tuple[str, ...]) -> str:
    """Return the address of a request's client as our proxy, or a trusted proxy before it, wrote it, never as the client sent it.

    `remote` is who connected. That is the client only if our proxy wrote no header.
    """
    return visitor(headers.get("X-Forwarded-For") or remote or "", trusted)


def visitor(forwarded_for: str, trusted: tuple[str, ...]) -> str:
    """Return the client's address from an X-Forwarded-For whose last address our own proxy wrote.

    Each proxy appends the address of its client, and the client itself may have sent a forged beginning. So the last address that is not a
    trusted proxy counts.
    """
    named = [part.strip() for part in forwarded_for.split(",")]
    return next((address for address in reversed(named) if not _is_among(address, trusted)), named[0])


def network(address: str) -> str:
    """Return the network that counts as one client address, because an IPv6 customer has 2^64 addresses.

    Text that is not an address stands for itself.
    """
    try:
        parsed = ip_address(address)
    except ValueError:
        return address[:64]
    if not isinstance(parsed, IPv6Address):
        return str(parsed)
    if parsed.ipv4_mapped:
        return str(parsed.ipv4_mapped)
    return str(IPv6Address(parsed.packed[:_NETWORK_BYTES] + bytes(_NETWORK_BYTES)))


def _is_among(address: str, trusted: tuple[str, ...]) -> bool:
    try:
        return any(ip_address(address) in network for network in _networks(trusted))
    except ValueError:
        return False


@lru_cache(maxsize=1)
def _networks(trusted: tuple[str, ...]) -> tuple[Network, ...]:
    return tuple(map(parse_network, trusted))
