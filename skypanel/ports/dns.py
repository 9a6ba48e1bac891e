"""DNS, as the servers of a name's own zone answer now."""

from collections.abc import Sequence
from typing import Protocol

from skypanel.domain.dns import Lookup, RecordType, Server


class Dns(Protocol):
    async def look_up(self, name: str, kind: RecordType, resolvers: Sequence[Server], timeout_s: float = 8.0) -> Lookup:
        """Ask the authoritative servers of a name, and follow CNAME records. `resolvers` find those servers; by default the machine's do.

        Values of TXT records are their joined strings. Never raises: what goes wrong is the answer's fault.
        """
        ...
