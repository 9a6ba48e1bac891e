"""The port ErrorPages: HTTP by aiohttp. A name is resolved once, and only checked addresses are connected to."""

import asyncio
import re
import ssl
from collections.abc import Sequence

from aiohttp import ClientError, ClientResponse
from yarl import URL

from skypanel.domain.errors import Unavailable
from skypanel.domain.http_errors import OwnPage
from skypanel.domain.internet import Network
from skypanel.domain.names import printable
from skypanel.drivers.resolved import MAX_REASON, session_to
from skypanel.ports.error_pages import FETCH_S, MAX_BYTES

_SCHEMES = {"http", "https"}
# Names of charsets (RFC 2978, 2.3). Our own answer repeats it.
_CHARSET = re.compile(r"[A-Za-z0-9!#$%&'+^_`{}~-]{1,40}")
_HEADERS = {"Accept": "text/html", "Accept-Encoding": "identity", "User-Agent": "SkyPanel"}


class HttpErrorPages:
    """Opens a connection for each page. Certificates of servers are verified."""

    def __init__(self) -> None:
        self._tls = ssl.create_default_context()

    async def fetch(self, url: str, networks: Sequence[Network]) -> OwnPage:
        """Return the HTML page at a URL. Raises Denied and Unavailable."""
        try:
            async with asyncio.timeout(FETCH_S):
                return await self._fetch(url, networks)
        except TimeoutError:
            raise Unavailable(f"There was no page within {FETCH_S:g} s.") from None
        except (ClientError, OSError, ValueError) as error:
            raise Unavailable(f"There is no page: {printable(str(error), MAX_REASON)}") from None

    async def _fetch(self, url: str, networks: Sequence[Network]) -> OwnPage:
        target = URL(url)
        if target.scheme not in _SCHEMES or not target.raw_host or not target.port:
            raise Unavailable("This is not an http or https URL.")
        async with (
            session_to(target, networks, self._tls) as session,
            session.get(target, headers=_HEADERS, allow_redirects=False) as answer,
        ):
            return await _page(answer)


async def _page(answer: ClientResponse) -> OwnPage:
    if answer.status != 200 or answer.content_type != "text/html":  # noqa: PLR2004 - OK (RFC 9110)
        raise Unavailable(f"The answer is {answer.status} and {printable(answer.content_type)}, not 200 and text/html.")
    body = bytearray()
    async for part in answer.content.iter_any():
        body += part
        if len(body) > MAX_BYTES:
            raise Unavailable(f"The page is larger than {MAX_BYTES // 1000} kB.")
    charset = answer.charset or ""
    return OwnPage(bytes(body), charset if _CHARSET.fullmatch(charset) else "utf-8")
