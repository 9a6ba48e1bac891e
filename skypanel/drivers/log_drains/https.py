"""Log lines over HTTPS, as Heroku's Logplex posts them, by aiohttp."""

import asyncio
import ssl
from collections.abc import Sequence

from aiohttp import ClientError
from yarl import URL

from skypanel.domain.errors import Invalid, Unavailable
from skypanel.domain.internet import Network
from skypanel.domain.log_drain import Shipment, logplex_frames
from skypanel.drivers.log_drains.reasons import reason
from skypanel.drivers.resolved import session_to
from skypanel.ports.log_drains import SEND_S

OK = range(200, 300)
MOVED = range(300, 400)
# These say that another attempt with the same lines gets the same answer.
NEVER = frozenset({400, 413, 415, 422})


class HttpsDrain:
    """Opens a connection for each shipment, to addresses that are checked each time."""

    def __init__(self, url: str, tls: ssl.SSLContext) -> None:
        self._url = URL(url, encoded=True)
        self._tls = tls

    async def send(self, shipment: Shipment, networks: Sequence[Network]) -> None:
        """POST a shipment. Raises Denied, Invalid and Unavailable."""
        try:
            async with asyncio.timeout(SEND_S):
                status = await self._post(shipment, networks)
        except TimeoutError:
            raise Unavailable(f"{self._url.raw_host} did not answer within {SEND_S:g} s.") from None
        except (ClientError, OSError) as error:
            raise Unavailable(f"{self._url.raw_host} gives no answer. {reason(error)}") from None
        if status in MOVED:
            raise Unavailable("It redirects, and redirects are not followed.")
        if status not in OK:
            raise (Invalid if status in NEVER else Unavailable)(f"It answered {status}.")

    async def close(self) -> None:
        """Hold nothing open."""

    async def _post(self, shipment: Shipment, networks: Sequence[Network]) -> int:
        body = logplex_frames(shipment)
        async with (
            session_to(self._url, networks, self._tls) as session,
            session.post(self._url, data=body, headers=_headers(shipment), allow_redirects=False) as answer,
        ):
            return answer.status


def _headers(shipment: Shipment) -> dict[str, str]:
    """Return Logplex's headers (https://devcenter.heroku.com/articles/log-drains#https-drains)."""
    return {
        "Content-Type": "application/logplex-1",
        "Logplex-Msg-Count": str(len(shipment.messages)),
        "Logplex-Frame-Id": shipment.id,
        "Logplex-Drain-Token": shipment.token,
        "User-Agent": "Logplex/SkyPanel",
    }
