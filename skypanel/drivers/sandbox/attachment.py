"""The panel's end of a one-off dyno: a terminal or two pipes."""

import asyncio
import fcntl
import os
import struct
import termios
from collections.abc import AsyncIterator, Awaitable, Callable

from skypanel.domain.manifest import Exit, Window
from skypanel.host.descriptors import close_all, readable, write_all

CHUNK_BYTES = 64 * 1024
_END = b"\x04"


class Attachment:
    """Made before the dyno starts: `theirs` are its stdin, stdout and stderr, which go to whoever starts it."""

    def __init__(self, window: Window | None) -> None:
        self._terminal = window is not None
        if window is None:
            stdin, self._input = os.pipe()
            self._output, stdout = os.pipe()
            self.theirs: tuple[int, ...] = (stdin, stdout, stdout)
        else:
            self._input, terminal = os.openpty()
            self._output = self._input
            self.theirs = (terminal, terminal, terminal)
            self.resize(window)
        self._open = {self._input, self._output}
        for descriptor in self._open:
            os.set_blocking(descriptor, False)
        self._end: asyncio.Future[Exit] = asyncio.get_running_loop().create_future()
        self._send: Callable[[int], Awaitable[None]] | None = None

    def started(self, end: "asyncio.Future[Exit]", send: Callable[[int], Awaitable[None]]) -> None:
        """Note that the dyno runs: how its end is heard of, and how a signal is sent."""
        self._end, self._send = end, send
        self.close_theirs()

    def close_theirs(self) -> None:
        """Close what the dyno has by now; twice is no error."""
        close_all(set(self.theirs))
        self.theirs = ()

    def close(self) -> None:
        """Close everything: a dyno that still writes finds nobody there."""
        self.close_theirs()
        close_all(self._open)
        self._open.clear()

    async def read(self) -> AsyncIterator[bytes]:
        """Yield what it writes until nobody can write any more."""
        while self._output in self._open:
            await readable(self._output)
            try:
                chunk = os.read(self._output, CHUNK_BYTES)
            except BlockingIOError:
                continue
            except OSError:  # a terminal that nobody has open any more: EIO
                return
            if not chunk:
                return
            yield chunk

    async def write(self, chunk: bytes) -> None:
        """Give it input; what it does not read any more is dropped."""
        if self._input in self._open:
            try:
                await write_all(self._input, chunk)
            except OSError:  # EPIPE of a pipe, EIO of a terminal
                return

    async def end_input(self) -> None:
        """Say that no more input comes."""
        if self._terminal:
            await self.write(_END)
        elif self._input in self._open:
            self._open.discard(self._input)
            os.close(self._input)

    def resize(self, window: Window) -> None:
        """Change the size of its terminal."""
        if self._terminal:
            fcntl.ioctl(self._input, termios.TIOCSWINSZ, struct.pack("4H", window.rows, window.columns, 0, 0))

    async def signal(self, number: int) -> None:
        """Send a signal to its processes."""
        if self._send is not None and not self._end.done():
            await self._send(number)

    async def wait(self) -> Exit:
        """Return how it ended, once it has."""
        return await asyncio.shield(self._end)
