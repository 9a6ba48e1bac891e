"""Newline-delimited JSON over a Unix socket, with file descriptors.

A line is `[number of descriptors, message]`, because the kernel may deliver several lines at once with all their descriptors.
"""

import array
import asyncio
import json
import socket
import struct
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from skypanel.domain.errors import Invalid
from skypanel.host.descriptors import close_all, readable
from skypanel.host.protocol import Message

MAX_MESSAGE_BYTES = 2 * 1024**2
MAX_DESCRIPTORS = 8
_CHUNK = 64 * 1024
_CREDENTIALS = struct.Struct("3i")


@dataclass
class Received:
    """A message and its descriptors. The receiver owns them and must close them."""

    message: Any
    descriptors: list[int] = field(default_factory=list)

    def close(self) -> None:
        """Close the descriptors."""
        close_all(self.descriptors)
        self.descriptors.clear()


class Channel:
    """One connection. Each side sends a message and waits for the answer."""

    def __init__(self, connection: socket.socket) -> None:
        connection.setblocking(False)  # noqa: FBT003 - the standard library's signature
        self._socket = connection
        self._buffer = bytearray()
        self._descriptors: list[int] = []

    @property
    def peer_uid(self) -> int:
        """The user id of the peer process, as the kernel reports it."""
        credentials = self._socket.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
        return int(_CREDENTIALS.unpack(credentials)[1])

    async def receive(self) -> Received | None:
        """Return the next message, or None if the peer has disconnected.

        Raises Invalid if it is not JSON, or if it exceeds a limit.
        """
        while b"\n" not in self._buffer:
            if len(self._buffer) > MAX_MESSAGE_BYTES:
                raise Invalid(f"A message is at most {MAX_MESSAGE_BYTES} bytes.")
            if not await self._fill():
                return None
        line, _, self._buffer = self._buffer.partition(b"\n")
        try:
            count, message = json.loads(line)
        except (TypeError, ValueError) as error:
            raise Invalid("A message is a line of JSON.") from error
        if type(count) is not int or not 0 <= count <= len(self._descriptors):
            raise Invalid("A message names the number of its descriptors.")
        taken, self._descriptors = self._descriptors[:count], self._descriptors[count:]
        return Received(message, taken)

    async def send(self, message: Message, descriptors: Sequence[int] = ()) -> None:
        """Send a message. The sender still has to close its descriptors. Raises ConnectionError."""
        loop = asyncio.get_running_loop()
        line = json.dumps([len(descriptors), message]).encode() + b"\n"
        sent = 0
        if descriptors:
            rights = (socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", descriptors))
            sent = self._socket.sendmsg([line[:_CHUNK]], [rights])
        if sent < len(line):  # a peer that has the whole line may have answered and disconnected already
            await loop.sock_sendall(self._socket, line[sent:])

    async def hung_up(self) -> None:
        """Return when the peer disconnects. If it sends data instead, wait until cancelled."""
        await readable(self._socket.fileno())
        if self._peek():
            await asyncio.get_running_loop().create_future()

    def _peek(self) -> bytes:
        try:
            return self._socket.recv(1, socket.MSG_PEEK)
        except ConnectionError:
            return b""

    async def finish(self) -> None:
        """Send end-of-file and wait until the peer disconnects."""
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_WR)
        while await self._fill():
            self._buffer.clear()

    def close(self) -> None:
        """Close the connection, with all descriptors that no message claimed."""
        close_all(self._descriptors)
        self._descriptors.clear()
        self._socket.close()

    async def _fill(self) -> bool:
        await readable(self._socket.fileno())
        try:
            chunk, ancillary, _, _ = self._socket.recvmsg(
                _CHUNK, socket.CMSG_SPACE(MAX_DESCRIPTORS * array.array("i").itemsize), socket.MSG_CMSG_CLOEXEC
            )
        except BlockingIOError:
            return True
        except ConnectionError:
            return False
        for level, kind, payload in ancillary:
            if (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS):
                rights = array.array("i")
                rights.frombytes(payload[: len(payload) - len(payload) % rights.itemsize])
                self._descriptors.extend(rights)
        if len(self._descriptors) > MAX_DESCRIPTORS:
            raise Invalid(f"A message carries at most {MAX_DESCRIPTORS} descriptors.")
        self._buffer += chunk
        return bool(chunk)
