"""Which addresses the panel may connect to for a user: public ones, and networks that an administrator allows."""

from collections.abc import Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_network

from skypanel.domain.errors import Invalid
from skypanel.domain.names import printable

IpAddress = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

MAX_NETWORKS = 50
# RFC 6052: how a machine without IPv4 reaches one that has only IPv4; the last four bytes are the IPv4 address.
_NAT64 = IPv6Network("64:ff9b::/96")
# Tunnels and embeddings of IPv4 addresses, where no server is: 6to4, Teredo, IPv4-compatible, and private NAT64 (RFC 8215).
_DETOURS = tuple(IPv6Network(text) for text in ("2002::/16", "2001::/32", "::/96", "64:ff9b:1::/48"))


def read_networks(text: str) -> tuple[Network, ...]:
    """Parse a list of networks such as `10.1.0.0/16, 192.168.7.2`. Raises Invalid."""
    parts = [part.strip() for part in text.split(",") if part.strip()]
    if len(parts) > MAX_NETWORKS:
        raise Invalid(f"There are more than {MAX_NETWORKS} networks.", "Combine them into larger networks.")
    return tuple(_network(part) for part in parts)


def is_allowed(address: IpAddress, allowed: Sequence[Network]) -> bool:
    """Whether an address is in one of these networks."""
    plain = _plain(address)
    return any(plain in network for network in allowed if network.version == plain.version)


def is_public(address: IpAddress) -> bool:
    """Whether an address is public: not private, link-local or reserved, and not a tunnel to such an address."""
    plain = _plain(address)
    if isinstance(plain, IPv6Address):
        if plain in _NAT64:
            return is_public(IPv4Address(plain.packed[-4:]))
        if plain.is_site_local or any(plain in network for network in _DETOURS):
            return False
    return plain.is_global and not (plain.is_multicast or plain.is_reserved)


def _plain(address: IpAddress) -> IpAddress:
    """Convert an IPv4-mapped IPv6 address to IPv4; return other addresses unchanged."""
    return address.ipv4_mapped or address if isinstance(address, IPv6Address) else address


def _network(text: str) -> Network:
    try:
        return ip_network(text)
    except ValueError:
        raise Invalid(
            f"{printable(text)} is not a network.", "Write networks as 10.1.0.0/16 or 192.168.7.2, separated by commas."
        ) from None
