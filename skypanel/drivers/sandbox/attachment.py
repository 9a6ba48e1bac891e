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
    """The descriptors of a one-off dyno. `theirs` are its stdin, stdout and stderr; pass them on to start it."""

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
        """Set how to wait for the dyno's end and how to signal it. Closes `theirs`, which the dyno now has."""
        self._end, self._send = end, send
        self.close_theirs()

    def close_theirs(self) -> None:
        """Close our copies of the dyno's descriptors. Idempotent."""
        close_all(set(self.theirs))
        self.theirs = ()

    def close(self) -> None:
        """Close all descriptors. A dyno that still writes then gets an error."""
        self.close_theirs()
        close_all(self._open)
        self._open.clear()

    async def read(self) -> AsyncIterator[bytes]:
        """Yield its output until every process in it has closed it."""
        while self._output in self._open:
            await readable(self._output)
            try:
                chunk = os.read(self._output, CHUNK_BYTES)
            except BlockingIOError:
                continue
            except OSError:  # EIO: every process has closed the terminal
                return
            if not chunk:
                return
            yield chunk

    async def write(self, chunk: bytes) -> None:
        """Write to its stdin. Input after its end is dropped."""
        if self._input in self._open:
            try:
                await write_all(self._input, chunk)
            except OSError:  # EPIPE of a pipe, EIO of a terminal
                return

    async def end_input(self) -> None:
        """Close its stdin; on a terminal, send end-of-file."""
        if self._terminal:
            await self.write(_END)
        elif self._input in self._open:
            self._open.discard(self._input)
            os.close(self._input)

    def resize(self, window: Window) -> None:
        """Change the size of its terminal. Does nothing if it has none."""
        if self._terminal:
            fcntl.ioctl(self._input, termios.TIOCSWINSZ, struct.pack("4H", window.rows, window.columns, 0, 0))

    async def signal(self, number: int) -> None:
        """Send a signal to its processes. Does nothing if it has ended."""
        if self._send is not None and not self._end.done():
            await self._send(number)

    async def wait(self) -> Exit:
        """Wait until it has ended, and return its exit."""
        return await asyncio.shield(self._end)
