"""The panel's end of a one-off dyno in a container."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress

from docker import APIClient

from skypanel.domain.errors import Conflict, NotFound, Unavailable
from skypanel.domain.manifest import Exit, Window
from skypanel.drivers.docker.api import DockerApi, Json
from skypanel.drivers.docker.attach import Streams

_END = b"\x04"
# To all but the container's first process and the script around the command, which is told of by its file.
SIGNAL = """\
for process in /proc/[0-9]*; do
  case ${process#/proc/} in
  1 | $$ | "$(</dev/shm/skypanel.pid)") ;;
  *) kill -"$0" "${process#/proc/}" 2>/dev/null ;;
  esac
done
"""


class ContainerAttachment:
    """The streams of a container that runs, as what an Attached is; `end` is done once it has ended."""

    def __init__(self, docker: DockerApi, container_id: str, streams: Streams, end: "asyncio.Task[Exit]", *, terminal: bool) -> None:
        self._docker = docker
        self._container_id = container_id
        self._streams = streams
        self._end = end
        self._terminal = terminal
        self._resizing: set[asyncio.Task[None]] = set()

    async def read(self) -> AsyncIterator[bytes]:
        """Yield what it writes until nobody can write any more."""
        if self._terminal:
            async for chunk in self._streams.raw():
                yield chunk
        else:
            async for _, chunk in self._streams.frames():
                yield chunk

    async def write(self, chunk: bytes) -> None:
        """Give it input; what it does not read any more is dropped."""
        with suppress(ConnectionError):
            await self._streams.write(chunk)

    async def end_input(self) -> None:
        """Say that no more input comes."""
        if self._terminal:
            await self.write(_END)
        else:
            self._streams.end()

    def resize(self, window: Window) -> None:
        """Change the size of its terminal."""
        if self._terminal:
            task = asyncio.create_task(self._resize(window))
            self._resizing.add(task)
            task.add_done_callback(self._resizing.discard)

    async def _resize(self, window: Window) -> None:
        with suppress(Unavailable):  # it has just ended
            await resize(self._docker, self._container_id, window)

    async def signal(self, number: int) -> None:
        """Send a signal to its processes."""
        with suppress(Conflict, NotFound):  # it has just ended
            await self._docker.call(lambda client: _signal(client, self._container_id, number))

    async def wait(self) -> Exit:
        """Return how it ended, once it has."""
        return await asyncio.shield(self._end)


async def resize(docker: DockerApi, container_id: str, window: Window) -> None:
    """Set the size of a container's terminal. One that has ended is no error. Raises Unavailable."""
    with suppress(Conflict, NotFound):
        await docker.call(lambda client: client.resize(container_id, height=window.rows, width=window.columns))


def _signal(client: APIClient, container_id: str, number: int) -> None:
    made: Json = client.exec_create(container_id, ["bash", "-c", SIGNAL, str(number)], stdout=False, stderr=False)
    client.exec_start(made["Id"], detach=True)
