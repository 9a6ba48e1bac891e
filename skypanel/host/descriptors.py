"""Waits for file descriptors without blocking the event loop."""

import asyncio
import os
from collections.abc import AsyncIterator, Iterable
from types import TracebackType
from typing import Self

CHUNK_BYTES = 64 * 1024


async def readable(descriptor: int) -> None:
    """Wait until `descriptor` is readable or its other end is closed."""
    loop = asyncio.get_running_loop()
    ready = loop.create_future()
    loop.add_reader(descriptor, _set_ready, ready)
    try:
        await ready
    finally:
        loop.remove_reader(descriptor)


async def writable(descriptor: int) -> None:
    """Wait until `descriptor` is writable or its other end is closed."""
    loop = asyncio.get_running_loop()
    ready = loop.create_future()
    loop.add_writer(descriptor, _set_ready, ready)
    try:
        await ready
    finally:
        loop.remove_writer(descriptor)


def _set_ready(ready: asyncio.Future[None]) -> None:
    if not ready.done():
        ready.set_result(None)


async def chunks(descriptor: int) -> AsyncIterator[bytes]:
    """Yield what comes out of a pipe until every writer has closed it."""
    while True:
        await readable(descriptor)
        chunk = os.read(descriptor, CHUNK_BYTES)
        if not chunk:
            return
        yield chunk


async def write_all(descriptor: int, body: bytes) -> None:
    """Write to a pipe whose descriptor is non-blocking. Raises BrokenPipeError if every reader has closed it."""
    rest = memoryview(body)
    while rest:
        await writable(descriptor)
        try:
            rest = rest[os.write(descriptor, rest) :]
        except BlockingIOError:
            continue


def close_all(descriptors: Iterable[int]) -> None:
    """Close every descriptor. Raises OSError."""
    for descriptor in descriptors:
        os.close(descriptor)


class Pipe:
    """A pipe. Close its ends one by one, or both at the end of the block."""

    def __init__(self) -> None:
        self.read, self.write = os.pipe()
        self._open = {self.read, self.write}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close_read()
        self.close_write()

    def close_read(self) -> None:
        """Close the read end. Idempotent."""
        self._close(self.read)

    def close_write(self) -> None:
        """Close the write end. Idempotent."""
        self._close(self.write)

    def _close(self, end: int) -> None:
        if end in self._open:
            self._open.remove(end)
            os.close(end)
