"""An SSH channel as a session's peer: raw bytes, bounded buffers."""

import asyncio
import socket
from collections.abc import Callable

import asyncssh

from gitreceiver.session import Gone
from skypanel.domain.limits import MIB

HIGH_WATER_BYTES = 2 * MIB


class Channel(asyncssh.SSHServerSession[bytes]):
    """One channel, by which a client runs one command. `line` is None if the client requested a shell or subsystem instead.

    `begin` is called when the client has made its request, `closed` at the end.
    """

    def __init__(self, begin: Callable[["Channel"], None], closed: Callable[["Channel"], None], idle_s: float) -> None:
        self.line: str | None = None
        self.started = False
        self._begin = begin
        self._closed = closed
        self._idle_s = idle_s
        self._buffer = bytearray()
        self._paused = False
        self._resuming = False
        self._ended = False
        self._gone = False
        self._arrived = asyncio.Event()
        self._writable = asyncio.Event()
        self._writable.set()

    def connection_made(self, chan: asyncssh.SSHServerChannel[bytes]) -> None:
        """Store the channel and its socket."""
        self._channel = chan
        self._socket: socket.socket | None = chan.get_connection().get_extra_info("socket")

    def shell_requested(self) -> bool:
        """Accept, so that stderr can explain that there is no shell."""
        return True

    def subsystem_requested(self, subsystem: str) -> bool:  # noqa: ARG002 - asyncssh's signature
        """Accept, so that stderr can explain that there are no subsystems."""
        return True

    def exec_requested(self, command: str) -> bool:
        """Accept; the command is parsed later."""
        self.line = command
        return True

    def session_started(self) -> None:
        """Start to serve the command."""
        self.started = True
        self._begin(self)

    def data_received(self, data: bytes, datatype: asyncssh.DataType) -> None:  # noqa: ARG002 - asyncssh's signature
        """Buffer data, and pause reading above HIGH_WATER_BYTES (backpressure)."""
        if self._socket:  # the kernel clears this option whenever it returns to delayed acknowledgements
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)
        self._buffer += data
        self._arrived.set()
        # On resuming, asyncssh grants a whole window with the first packet that it delivers. A pause in the middle of that would let the
        # buffers grow each time.
        if not self._resuming:
            self._pause_if_full()

    def eof_received(self) -> bool:
        """Record the end of input, and keep the other direction open."""
        self._ended = True
        self._arrived.set()
        return True

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncssh's signature
        """Wake up all waiting reads and writes."""
        self._ended = self._gone = True
        self._arrived.set()
        self._writable.set()
        self._closed(self)

    def pause_writing(self) -> None:
        """Make writers wait."""
        self._writable.clear()

    def resume_writing(self) -> None:
        """Let writers continue."""
        self._writable.set()

    @property
    def protocol(self) -> str | None:
        """The client's GIT_PROTOCOL, the only environment variable that is read."""
        value = self._channel.get_environment_bytes().get(b"GIT_PROTOCOL")
        return value.decode("ascii", "replace") if value else None

    async def read(self) -> bytes:
        """Return some bytes, or none at the end."""
        while not self._buffer:
            if self._ended:
                return b""
            self._arrived.clear()
            await self._arrived.wait()
        chunk = bytes(self._buffer)
        self._buffer.clear()
        if self._paused:
            self._paused = False
            self._resuming = True
            self._channel.resume_reading()
            self._resuming = False
            self._pause_if_full()
        return chunk

    async def write(self, chunk: bytes) -> None:
        """Send bytes. Raises Gone if the client is gone, or takes none for the idle time."""
        await self._until_writable()
        self._channel.write(chunk)

    async def write_message(self, text: bytes) -> None:
        """Send text to the client's stderr. Raises Gone."""
        await self._until_writable()
        self._channel.write_stderr(text)

    def exit(self, status: int) -> None:
        """Send the exit status and close the channel."""
        if not self._gone:
            self._channel.exit(status)

    async def _until_writable(self) -> None:
        try:
            async with asyncio.timeout(self._idle_s):
                await self._writable.wait()
        except TimeoutError:
            self._channel.abort()
            raise Gone from None
        if self._gone:
            raise Gone

    def _pause_if_full(self) -> None:
        if len(self._buffer) > HIGH_WATER_BYTES and not self._paused:
            self._paused = True
            self._channel.pause_reading()
