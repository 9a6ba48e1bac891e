"""What a new home chooses at random, to avoid conflicts on the machine: ports, a subnet, uids."""

import errno
import secrets
import socket
from collections.abc import Iterable
from ipaddress import IPv4Address, IPv4Network

from skypanel.domain.errors import Unavailable
from skypanel.host.ranges import FIRST_UID_BASE, LAST_UID_BASE, SUBNET_PREFIX, UIDS_PER_PANEL

PRIVATE = IPv4Network("10.0.0.0/8")
# Below the ephemeral ports (net.ipv4.ip_local_port_range), so that no outgoing connection takes one.
INTERNAL_PORTS = range(20000, 32000)
ATTEMPTS = 200


def port_is_free(port: int, *, everywhere: bool = False) -> bool:
    """Whether no process listens on a port, of 127.0.0.1 or of all interfaces."""
    return errno.EADDRINUSE not in bind_errors(port, everywhere=everywhere)


def bind_errors(port: int, *, everywhere: bool) -> tuple[int, ...]:
    """Return the errno values of an attempt to listen on a port; none if it succeeds."""
    hosts = ((socket.AF_INET, "0.0.0.0"), (socket.AF_INET6, "::")) if everywhere else ((socket.AF_INET, "127.0.0.1"),)  # noqa: S104 - only a probe
    return tuple(error for family, host in hosts if (error := _bind_error(family, host, port)))


def _bind_error(family: socket.AddressFamily, host: str, port: int) -> int:
    try:
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == socket.AF_INET6:
                probe.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            probe.bind((host, port))
            probe.listen(1)
    except OSError as error:
        return error.errno or errno.EIO
    return 0


def udp_port_is_free(port: int) -> bool:
    """Whether no process receives UDP at a port of all interfaces."""
    try:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            probe.bind(("0.0.0.0", port))  # noqa: S104 - only a probe
    except OSError as error:
        return error.errno != errno.EADDRINUSE
    return True


def free_port(taken: Iterable[int] = ()) -> int:
    """Return a port on which no process listens. Raises Unavailable."""
    avoided = set(taken)
    for _ in range(ATTEMPTS):
        port = secrets.choice(INTERNAL_PORTS)
        if port not in avoided and port_is_free(port, everywhere=True):
            return port
    raise Unavailable("No free port was found.", f"Something uses nearly all ports from {INTERNAL_PORTS.start} to {INTERNAL_PORTS.stop}.")


def kept_port(port: int, taken: Iterable[int] = ()) -> int:
    """Return `port` if no process listens on it, else a free one."""
    return port if port_is_free(port) else free_port(taken)


def networks_of(route_table: str) -> tuple[IPv4Network, ...]:
    """Return the networks in `/proc/net/route` except the default route. Its addresses are in host byte order (proc_net(5))."""
    rows = [line.split() for line in route_table.splitlines()[1:]]
    networks = (IPv4Network(f"{_address(row[1])}/{_address(row[7])}", strict=False) for row in rows if len(row) > 7)  # noqa: PLR2004 - the mask's column
    return tuple(network for network in networks if network.prefixlen)


def _address(little_endian: str) -> IPv4Address:
    return IPv4Address(bytes.fromhex(little_endian)[::-1])


def free_subnets(taken: Iterable[IPv4Network]) -> tuple[IPv4Network, ...]:
    """Return the /18 networks of 10.0.0.0/8 that overlap with no network in `taken`."""
    avoided = tuple(network for network in taken if network.overlaps(PRIVATE))
    return tuple(subnet for subnet in PRIVATE.subnets(new_prefix=SUBNET_PREFIX) if not any(map(subnet.overlaps, avoided)))


def pick_subnet(taken: Iterable[IPv4Network]) -> IPv4Network:
    """Return a free subnet, at random, because panels on one machine do not see each other's. Raises Unavailable."""
    free = free_subnets(taken)
    if not free:
        raise Unavailable("No subnet of 10.0.0.0/8 is free for the apps.", "This machine's routes cover it all; `ip route` shows them.")
    return secrets.choice(free)


def pick_uid_base() -> int:
    """Return the first of 65,536 uids for apps: random, and far above those of people and services."""
    return secrets.choice(range(FIRST_UID_BASE, LAST_UID_BASE + 1, UIDS_PER_PANEL))
