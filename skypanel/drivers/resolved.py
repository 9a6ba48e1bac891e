"""A resolver for aiohttp's clients that gives the addresses that were checked."""

import socket
from collections.abc import Sequence

from aiohttp.abc import AbstractResolver, ResolveResult

from skypanel.domain.internet import IpAddress


class Resolved(AbstractResolver):
    """Gives the addresses that were checked, whatever the name means by now."""

    def __init__(self, addresses: Sequence[IpAddress]) -> None:
        self._addresses = addresses

    async def resolve(self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC) -> list[ResolveResult]:  # noqa: ARG002 - aiohttp's signature
        """Return the addresses for any name."""
        return [_result(host, port, address) for address in self._addresses]

    async def close(self) -> None:
        """Hold nothing open."""


def _result(host: str, port: int, address: IpAddress) -> ResolveResult:
    family = socket.AF_INET if address.version == 4 else socket.AF_INET6  # noqa: PLR2004 - 4 is the version of IP
    return ResolveResult(hostname=host, host=str(address), port=port, family=family, proto=0, flags=socket.AI_NUMERICHOST)
