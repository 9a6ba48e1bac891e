"""The streams of a Docker container, over a connection that Docker upgrades to a raw one.

https://docs.docker.com/reference/api/engine/version/v1.41/#operation/ContainerAttach
"""

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress

from skypanel.domain.errors import Unavailable
from skypanel.drivers.docker.api import translated

UNIX = "unix://"
STDERR = 2
ALL = ("stdin", "stdout", "stderr")
ANSWER_S = 60
CHUNK_BYTES = 64 * 1024
_HEADER_BYTES = 8
_SWITCHED = b" 101 "


class Streams:
    """A container's three streams. `write` goes to its stdin."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    async def frames(self) -> AsyncIterator[tuple[int, bytes]]:
        """Yield what the container prints, with the number of the stream, until the connection ends."""
        try:
            while True:
                header = await self._reader.readexactly(_HEADER_BYTES)
                left = int.from_bytes(header[4:])
                while left:
                    chunk = await self._reader.read(min(left, CHUNK_BYTES))
                    if not chunk:
                        return
                    left -= len(chunk)
                    yield header[0], chunk
        except (asyncio.IncompleteReadError, ConnectionError):
            return

    async def until(self, mark: bytes) -> None:
        """Discard output up to and including `mark`. Raises ConnectionError if the stream ends before it."""
        try:
            await self._reader.readuntil(mark)
        except EOFError as error:
            raise ConnectionResetError from error

    async def raw(self) -> AsyncIterator[bytes]:
        """Yield the bytes of a terminal, whose output has no frames, until the connection ends."""
        with suppress(ConnectionError):
            while chunk := await self._reader.read(CHUNK_BYTES):
                yield chunk

    async def write(self, chunk: bytes) -> None:
        """Write to stdin. Raises ConnectionError once the container has ended."""
        self._writer.write(chunk)
        await self._writer.drain()

    def end(self) -> None:
        """Close stdin."""
        if not self._writer.is_closing() and self._writer.can_write_eof():
            try:
                self._writer.write_eof()
            except OSError:
                return


@asynccontextmanager
async def attached(url: str, container: str, streams: Sequence[str] = ALL) -> AsyncIterator[Streams]:
    """Attach to a container, best before it starts. `url` is a daemon's Unix socket. Raises Unavailable."""
    wanted = "&".join(f"{name}=1" for name in streams)
    async with _taken_over(url, f"/containers/{container}/attach?stream=1&{wanted}") as found:
        yield found


@asynccontextmanager
async def executing(url: str, exec_id: str) -> AsyncIterator[Streams]:
    """Start an exec instance in a running container and attach to it. Raises Unavailable."""
    async with _taken_over(url, f"/exec/{exec_id}/start", json.dumps({"Detach": False, "Tty": False}).encode()) as found:
        yield found


async def check_reachable(url: str) -> None:
    """Raise Unavailable if nothing listens at a daemon's socket. In that case the SDK would leak a socket."""
    async with _connected(url):
        return


@asynccontextmanager
async def _taken_over(url: str, path: str, body: bytes = b"") -> AsyncIterator[Streams]:
    async with _connected(url) as (reader, writer):
        with translated():
            async with asyncio.timeout(ANSWER_S):
                await _take_over(reader, writer, path, body)
        yield Streams(reader, writer)


@asynccontextmanager
async def _connected(url: str) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    with translated():
        async with asyncio.timeout(ANSWER_S):
            reader, writer = await asyncio.open_unix_connection(url.removeprefix(UNIX), limit=CHUNK_BYTES)
    try:
        yield reader, writer
    finally:
        writer.transport.abort()
        with suppress(OSError):
            await writer.wait_closed()


async def _take_over(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, path: str, body: bytes) -> None:
    head = (
        f"POST /v1.41{path} HTTP/1.1",
        "Host: docker",
        "Connection: Upgrade",
        "Upgrade: tcp",
        "Content-Type: application/json",
        f"Content-Length: {len(body)}",
    )
    writer.write("\r\n".join((*head, "", "")).encode() + body)
    try:
        answer = await reader.readuntil(b"\r\n\r\n")
    except EOFError as error:
        raise ConnectionResetError from error
    if _SWITCHED not in answer.partition(b"\r\n")[0]:
        raise Unavailable("Docker does not send a container's output.", "Check its log, then try again.")
