"""The Receivers port: HTTPS by aiohttp. A name is resolved once, and only checked addresses are connected to."""

import asyncio
import ssl
from collections.abc import Sequence

from aiohttp import ClientError
from yarl import URL

from skypanel.domain.errors import Unavailable
from skypanel.domain.internet import Network
from skypanel.domain.names import printable
from skypanel.domain.webhook import Posting
from skypanel.drivers.resolved import MAX_REASON, checked_addresses, session_to
from skypanel.ports.receivers import POST_S


class HttpReceivers:
    """Opens a connection for each request. Certificates of servers are verified, and bodies of answers are not read."""

    def __init__(self) -> None:
        self._tls = ssl.create_default_context()

    async def check(self, url: str, networks: Sequence[Network]) -> None:
        """Raise Denied or Unavailable unless the panel may connect to the host of a URL."""
        await checked_addresses(URL(url, encoded=True), networks)

    async def post(self, posting: Posting) -> int:
        """POST a body and return the status of the answer. Raises Denied and Unavailable."""
        url = URL(posting.url, encoded=True)
        try:
            async with asyncio.timeout(POST_S):
                return await self._post(url, posting)
        except TimeoutError:
            raise Unavailable(f"{url.raw_host} did not answer within {POST_S:g} s.") from None
        except (ClientError, OSError, ValueError) as error:
            raise Unavailable(f"{url.raw_host} gave no answer: {printable(str(error), MAX_REASON)}") from None

    async def _post(self, url: URL, posting: Posting) -> int:
        async with (
            session_to(url, posting.networks, self._tls) as session,
            session.post(url, data=posting.body, headers=posting.headers, allow_redirects=False) as answer,
        ):
            return answer.status
