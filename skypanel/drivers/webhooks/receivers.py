"""The Receivers port: HTTPS by aiohttp. A name is resolved once, and only checked addresses are connected to."""

import asyncio
import ssl
from collections.abc import Sequence
from urllib.parse import urlsplit

from aiohttp import ClientError, ClientSession, DummyCookieJar, TCPConnector
from aiohttp.abc import AbstractResolver
from yarl import URL

from skypanel.domain.errors import Unavailable
from skypanel.domain.internet import IpAddress, Network
from skypanel.domain.names import printable
from skypanel.domain.webhook import Posting
from skypanel.drivers.dialing import addresses_of
from skypanel.drivers.resolved import Resolved
from skypanel.ports.receivers import POST_S

SETTING = "webhook_networks"
MAX_REASON = 200
PORT = 443


class HttpReceivers:
    """Opens a connection for each request. Certificates of servers are verified, and bodies of answers are not read."""

    def __init__(self) -> None:
        self._tls = ssl.create_default_context()

    async def check(self, url: str, networks: Sequence[Network]) -> None:
        """Raise Denied or Unavailable unless the panel may connect to the host of a URL."""
        await _addresses(url, networks)

    async def post(self, posting: Posting) -> int:
        """POST a body and return the status of the answer. Raises Denied and Unavailable."""
        host = urlsplit(posting.url).hostname or ""
        try:
            async with asyncio.timeout(POST_S):
                return await self._post(posting, Resolved(await _addresses(posting.url, posting.networks)))
        except TimeoutError:
            raise Unavailable(f"{host} did not answer within {POST_S:g} s.") from None
        except (ClientError, OSError, ValueError) as error:
            raise Unavailable(f"{host} gave no answer: {printable(str(error), MAX_REASON)}") from None

    async def _post(self, posting: Posting, resolver: AbstractResolver) -> int:
        connector = TCPConnector(resolver=resolver, ssl=self._tls, force_close=True)
        url = URL(posting.url, encoded=True)
        async with (
            ClientSession(connector=connector, cookie_jar=DummyCookieJar(), auto_decompress=False) as session,
            session.post(url, data=posting.body, headers=posting.headers, allow_redirects=False) as answer,
        ):
            return answer.status


async def _addresses(url: str, networks: Sequence[Network]) -> Sequence[IpAddress]:
    split = urlsplit(url)
    return await addresses_of(split.hostname or "", split.port or PORT, networks, SETTING)
