"""The LogStore port: lines for Loki."""

from skypanel.domain.loki import Loki, Parcel
from skypanel.drivers.loki.client import LokiClient
from skypanel.drivers.loki.wire import push_body


class LokiStore:
    """Pushes lines with few labels. A push that is sent again adds nothing."""

    def __init__(self, loki: Loki) -> None:
        self._client = LokiClient(loki)

    async def push(self, tenant: str, parcel: Parcel) -> None:
        """Store lines. Raises Invalid and Unavailable."""
        await self._client.push(tenant, push_body(parcel.lines))

    async def close(self) -> None:
        """Close all connections."""
        await self._client.close()
