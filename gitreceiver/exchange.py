"""An HTTP request and its response as a session's peer: raw bytes, bounded buffers."""

import asyncio
import zlib
from collections.abc import Mapping
from contextlib import suppress

from aiohttp import hdrs, web

from gitreceiver.inflation import Inflation
from gitreceiver.session import Gone
from skypanel.domain.limits import MIB
from skypanel.domain.transcript import failure

# Output of git is buffered up to this size until the request has ended: HTTP/1 proxies end a request when its response begins.
MAX_HELD_BYTES = 12 * MIB
MAX_MESSAGE_BYTES = 16 * 1024
NOT_KEPT = {"Cache-Control": "no-cache, max-age=0, must-revalidate", "Pragma": "no-cache", "Expires": "Fri, 01 Jan 1980 00:00:00 GMT"}


class Exchange:
    """An HTTP exchange. The response, of `content_type`, begins with git's first bytes, preceded by `opening`.

    Until then the request can still be refused. Its body may have `max_bytes`, counted after decompression.
    """

    def __init__(self, request: web.Request, content_type: str, idle_s: float, max_bytes: int) -> None:
        self.opening = b""
        self._request = request
        self._response = web.StreamResponse(headers={**NOT_KEPT, "Content-Type": content_type})
        self._idle_s = idle_s
        self._max_bytes = max_bytes
        self._inflation = Inflation() if is_compressed(request) else None
        self._received = 0
        self._held = bytearray()
        self._told = bytearray()
        self._fault: web.Response | None = None
        self._gone = False

    async def read(self) -> bytes:
        """Return some decompressed bytes of the request; none at its end, or if it is broken."""
        if self._gone or self._fault:
            return b""
        try:
            chunk = await self._next()
        except (web.RequestPayloadError, zlib.error):
            self._fault = refusal(400, failure("The request's body is damaged: its chunks or its gzip data cannot be read."))
            return b""
        except OSError:  # the connection was lost
            return b""
        self._received += len(chunk)
        if self._received > self._max_bytes:
            most = f"The limit for a request is {self._max_bytes // MIB} MiB."
            self._fault = refusal(413, failure(f"{most} Its size after decompression counts." if self._inflation else most))
            return b""
        return chunk

    async def _next(self) -> bytes:
        content = self._request.content
        if self._inflation is None:
            return await content.readany()
        while not (piece := self._inflation.give()):
            if not (chunk := await content.readany()):
                if self._inflation.is_complete:
                    return b""
                raise zlib.error
            self._inflation.take(chunk)
        return piece

    async def write(self, chunk: bytes) -> None:
        """Send bytes once the request has ended. Raises Gone if the client is gone, or takes none for the idle time."""
        if self._gone:
            raise Gone
        self._held += self.opening + chunk
        self.opening = b""
        if self._has_ended:
            await self._flush()
        elif len(self._held) > MAX_HELD_BYTES:
            self._break_off()
            raise Gone

    async def write_message(self, text: bytes) -> None:
        """Keep text, which becomes the response if there is no other."""
        self._told += text[: MAX_MESSAGE_BYTES - len(self._told)]

    async def finish(self, status: int) -> web.StreamResponse:
        """Complete the response and return it. `status` is git's exit status."""
        is_cut_short = bool(self._told) and not self._has_ended
        if self._held and not is_cut_short:
            await self._read_on()
        if self._fault and not self._response.prepared:
            return self._fault
        if self._response.prepared or (self._held and not is_cut_short):
            with suppress(Gone):
                await self._flush()
                await self._response.write_eof()
            return self._response
        if self._told:
            return refusal(400, self._told.decode(errors="replace"))
        if status:
            return refusal(503, failure("git ended before it could answer. Try again; if that fails too, check the panel's log."))
        return web.Response(headers=self._response.headers)

    @property
    def _has_ended(self) -> bool:
        return self._request.content.at_eof()

    async def _read_on(self) -> None:
        """Read the rest of the request, within limits: a client that is still sending does not read the response."""
        self._received = 0
        with suppress(TimeoutError):
            while not self._has_ended:
                async with asyncio.timeout(self._idle_s):
                    if not await self.read():
                        break
        if not self._has_ended:
            self._response.force_close()

    async def _flush(self) -> None:
        chunk, self._held = bytes(self._held), bytearray()
        try:
            async with asyncio.timeout(self._idle_s):
                if not self._response.prepared:
                    await self._response.prepare(self._request)
                await self._response.write(chunk)
        except (TimeoutError, ConnectionError):
            self._break_off()
            raise Gone from None

    def _break_off(self) -> None:
        self._gone = True
        if self._request.transport:
            self._request.transport.abort()


def is_compressed(request: web.Request) -> bool:
    """Whether a request declares its body as gzip."""
    return request.headers.get(hdrs.CONTENT_ENCODING, "").lower() == "gzip"


def refusal(status: int, text: str, headers: Mapping[str, str] | None = None) -> web.Response:
    """Return an error response. Git shows its lines of plain text if the request was for refs."""
    return web.Response(text=f"{text.rstrip()}\n", status=status, headers={**NOT_KEPT, **(headers or {})})
