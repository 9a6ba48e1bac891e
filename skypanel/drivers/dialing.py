"""Connects to servers that users choose. A name is resolved once, and only a checked address is connected to (SSRF protection)."""

import asyncio
import socket
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from ipaddress import ip_address

from skypanel.domain.errors import Denied, Unavailable
from skypanel.domain.internet import IpAddress, Network, is_allowed, is_public

LOOKUP_S = 10.0
CONNECT_S = 10.0
# Users also choose the DNS server of a host, and a silent one blocks its thread. So these are not the threads of everything else.
_LOOKUPS = ThreadPoolExecutor(8, "lookup")


async def addresses_of(host: str, port: int, networks: Sequence[Network], setting: str) -> tuple[IpAddress, ...]:
    """Return the addresses of a host that the panel may connect to. Raises Denied if none is allowed, Unavailable if it has none.

    `setting` names what an administrator can change to allow more.
    """
    try:
        async with asyncio.timeout(LOOKUP_S):
            ask = partial(socket.getaddrinfo, host, port, type=socket.SOCK_STREAM)
            found = await asyncio.get_running_loop().run_in_executor(_LOOKUPS, ask)
    except (OSError, UnicodeError, TimeoutError) as error:
        raise Unavailable(f"The host name {host} cannot be resolved.", "Check the host name in the URL, or try again.") from error
    addresses = dict.fromkeys(ip_address(str(place[0]).partition("%")[0]) for *_, place in found)
    reachable = tuple(address for address in addresses if is_open(address, port, networks))
    if not reachable:
        raise Denied(
            f"{host} is not a public server, and the panel connects to no others.",
            f"Use a server on the internet, or ask an administrator to allow its network: skypanel settings set {setting}=...",
        )
    return reachable


def dial(host: str, port: int, addresses: Sequence[IpAddress]) -> socket.socket:
    """Connect to the first of a host's addresses that accepts. Raises Unavailable."""
    for address in addresses:
        try:
            return socket.create_connection((str(address), port), CONNECT_S)
        except OSError:
            continue
    raise Unavailable(f"No server answers at {host}, port {port}.", "Check the host and the port in the URL, or try again later.")


def is_open(address: IpAddress, port: int, networks: Sequence[Network]) -> bool:
    """Whether the panel may connect to an address for a user."""
    if is_allowed(address, networks):
        return True
    return is_public(address) and not is_own(address, port)


def is_own(address: IpAddress, port: int) -> bool:
    """Whether an address is this machine's own: packets to it then have it as source too. Sends no packet."""
    family = socket.AF_INET if address.version == 4 else socket.AF_INET6  # noqa: PLR2004 - 4 is the version of IP
    with socket.socket(family, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect((str(address), port))
        except OSError:
            return False  # there is no route to it
        return ip_address(probe.getsockname()[0].partition("%")[0]) == address
