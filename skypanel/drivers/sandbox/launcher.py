"""A client of the launcher's socket."""

import asyncio
import socket
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

from skypanel.domain.errors import Conflict, Denied, Invalid, NotFound, SkyPanelError, Unavailable
from skypanel.host.channel import Channel
from skypanel.host.protocol import Message

_ERRORS: dict[str, type[SkyPanelError]] = {"conflict": Conflict, "denied": Denied, "invalid": Invalid, "not_found": NotFound}
_FINISH_S = 30.0
# Timeouts of requests; those that make, stop or delete things get WORK_S.
ANSWER_S = 30.0
WORK_S = 300.0


@asynccontextmanager
async def answered_within(seconds: float) -> AsyncIterator[None]:
    """Limit the time of the block, in which the launcher must answer. Raises Unavailable."""
    try:
        async with asyncio.timeout(seconds):
            yield
    except TimeoutError as error:
        raise Unavailable(
            f"The launcher did not answer within {seconds:g} s.", "Check its log and the load of the machine, then try again."
        ) from error


class LauncherConnection:
    """A connection to the launcher. When it closes, the launcher removes what was made for it."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel

    async def send(self, message: Message, descriptors: Sequence[int] = ()) -> None:
        """Send a message without waiting for an answer. Raises Unavailable."""
        try:
            await self._channel.send(message, descriptors)
        except OSError as error:
            raise _gone() from error

    async def receive(self) -> dict[str, Any]:
        """Return the next answer. Raises the launcher's error, or Unavailable if the connection is lost."""
        try:
            received = await self._channel.receive()
        except OSError as error:
            raise _gone() from error
        if received is None:
            raise _gone()
        answer: dict[str, Any] = received.message
        if "error" in answer:
            raise _ERRORS.get(answer["error"], Unavailable)(answer["message"], answer["hint"])
        return answer

    async def finish(self) -> None:
        """Close the sending side, and wait until the launcher has cleaned up."""
        with suppress(TimeoutError):
            async with asyncio.timeout(_FINISH_S):
                await self._channel.finish()


class Launcher:
    """The launcher behind a socket. It accepts only root and the panel's user."""

    def __init__(self, path: Path) -> None:
        self._path = path

    @asynccontextmanager
    async def connect(self) -> AsyncIterator[LauncherConnection]:
        """Open a connection. Raises Unavailable."""
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        channel = Channel(connection)
        try:
            await asyncio.get_running_loop().sock_connect(connection, str(self._path))
        except OSError as error:
            channel.close()
            raise _gone() from error
        try:
            yield LauncherConnection(channel)
        finally:
            channel.close()

    async def ask(self, message: Message, within_s: float = ANSWER_S) -> dict[str, Any]:
        """Return the answer to one request. Raises the launcher's error, or Unavailable if no answer comes within `within_s`."""
        async with answered_within(within_s), self.connect() as connection:
            await connection.send(message)
            return await connection.receive()


def _gone() -> Unavailable:
    return Unavailable("The launcher does not answer.", "Check that the panel is running, then try again.")
