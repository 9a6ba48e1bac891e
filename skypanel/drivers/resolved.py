"""HTTP to servers that users choose, by aiohttp. A name is resolved once, and only checked addresses are connected to."""

import socket
import ssl
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from aiohttp import ClientSession, DummyCookieJar, TCPConnector
from aiohttp.abc import AbstractResolver, ResolveResult
from yarl import URL

from skypanel.domain.internet import IpAddress, Network
from skypanel.drivers.dialing import addresses_of

SETTING = "webhook_networks"
MAX_REASON = 200


class Resolved(AbstractResolver):
    """Gives the addresses that were checked, whatever the name means by now."""

    def __init__(self, addresses: Sequence[IpAddress]) -> None:
        self._addresses = addresses

    async def resolve(self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC) -> list[ResolveResult]:  # noqa: ARG002 - aiohttp's signature
        """Return the addresses for any name."""
        return [_result(host, port, address) for address in self._addresses]

    async def close(self) -> None:
        """Hold nothing open."""


async def checked_addresses(url: URL, networks: Sequence[Network]) -> Sequence[IpAddress]:
    """Return the addresses of a URL's host that the panel may connect to. Raises Denied and Unavailable.

    The host is read by the library that connects: with another reading of the URL, it might connect to another host than was checked.
    """
    return await addresses_of(url.raw_host or "", url.port or 0, networks, SETTING)


@asynccontextmanager
async def session_to(url: URL, networks: Sequence[Network], tls: ssl.SSLContext) -> AsyncIterator[ClientSession]:
    """Open a session that connects to the checked addresses of a URL's host alone, and keeps no cookies. Raises as `checked_addresses`."""
    connector = TCPConnector(resolver=Resolved(await checked_addresses(url, networks)), ssl=tls, force_close=True)
    async with ClientSession(connector=connector, cookie_jar=DummyCookieJar(), auto_decompress=False) as session:
        yield session


def _result(host: str, port: int, address: IpAddress) -> ResolveResult:
    family = socket.AF_INET if address.version == 4 else socket.AF_INET6  # noqa: PLR2004 - 4 is the version of IP
    return ResolveResult(hostname=host, host=str(address), port=port, family=family, proto=0, flags=socket.AI_NUMERICHOST)
