"""DNS, as the servers of a name's own zone answer now, and records that the panel writes there."""

from collections.abc import Callable, Sequence
from typing import Protocol

from skypanel.domain.dns import Lookup, RecordType, Server
from skypanel.domain.dns_updates import DnsAccess


class Dns(Protocol):
    async def look_up(self, name: str, kind: RecordType, resolvers: Sequence[Server], timeout_s: float = 8.0) -> Lookup:
        """Ask the authoritative servers of a name, and follow CNAME records. `resolvers` find those servers; by default the machine's do.

        Values of TXT records are their joined strings. Never raises: what goes wrong is the answer's fault.
        """
        ...

    async def look_up_each(self, name: str, kind: RecordType, resolvers: Sequence[Server], timeout_s: float = 8.0) -> Sequence[Lookup]:
        """Ask each authoritative server of a name that the panel writes, and return all answers. Never raises.

        Servers with private addresses are asked too, because an administrator chose them.
        """
        ...


class DnsRecords(Protocol):
    """Writes TXT records. Every method is idempotent and raises Unavailable, which says why the server did not take it and what to do."""

    async def publish(self, name: str, value: str) -> None:
        """Add a TXT record; others at the same name stay."""
        ...

    async def remove(self, name: str, value: str) -> None:
        """Remove a TXT record; others at the same name stay."""
        ...


# Returns what writes records with an access.
OpenRecords = Callable[[DnsAccess], DnsRecords]
