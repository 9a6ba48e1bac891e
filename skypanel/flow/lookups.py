"""Lookups in DNS, at the resolvers in the settings."""

from collections.abc import Sequence
from functools import partial

from skypanel.domain.dns import Lookup, RecordType, Server, read_resolvers
from skypanel.flow.configured import value
from skypanel.ports.database import Connection
from skypanel.ports.panel import Panel
from skypanel.tasks import together

LOOKUP_S = 6.0


async def resolvers(conn: Connection) -> Sequence[Server]:
    """Return the resolvers in the settings; none means those of the machine."""
    return read_resolvers(str(await value(conn, "dns_resolvers")))


async def addresses(panel: Panel, name: str, at: Sequence[Server]) -> Sequence[str]:
    """Return the IPv4 and IPv6 addresses that DNS has for a name, none if it cannot be looked up."""
    ask = partial(look_up, panel, name, at=at)
    return [each for found in await together(ask(kind=RecordType.A), ask(kind=RecordType.AAAA)) for each in found.values]


async def look_up(panel: Panel, name: str, kind: RecordType, at: Sequence[Server]) -> Lookup:
    """Return what DNS has of a kind for a name, or why nothing."""
    return await panel.dns.look_up(name, kind, resolvers=at, timeout_s=LOOKUP_S)
