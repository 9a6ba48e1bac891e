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
# Signals all processes except the container's init and `dyno.sh`, whose pid is in the file.
SIGNAL = """\
for process in /proc/[0-9]*; do
  case ${process#/proc/} in
  1 | $$ | "$(</dev/shm/skypanel.pid)") ;;
  *) kill -"$0" "${process#/proc/}" 2>/dev/null ;;
  esac
done
"""


class ContainerAttachment:
    """Implements Attached by the streams of a running container. `end` returns once the container has ended."""

    def __init__(self, docker: DockerApi, container_id: str, streams: Streams, end: "asyncio.Task[Exit]", *, terminal: bool) -> None:
        self._docker = docker
        self._container_id = container_id
        self._streams = streams
        self._end = end
        self._terminal = terminal
        self._resizing: set[asyncio.Task[None]] = set()

    async def read(self) -> AsyncIterator[bytes]:
        """Yield its output until every process in it has closed it."""
        if self._terminal:
            async for chunk in self._streams.raw():
                yield chunk
        else:
            async for _, chunk in self._streams.frames():
                yield chunk

    async def write(self, chunk: bytes) -> None:
        """Write to its stdin. Input after its end is dropped."""
        with suppress(ConnectionError):
            await self._streams.write(chunk)

    async def end_input(self) -> None:
        """Close its stdin."""
        if self._terminal:
            await self.write(_END)
        else:
            self._streams.end()

    def resize(self, window: Window) -> None:
        """Change the size of its terminal. Returns at once; a dyno without a terminal ignores it."""
        if self._terminal:
            task = asyncio.create_task(self._resize(window))
            self._resizing.add(task)
            task.add_done_callback(self._resizing.discard)

    async def _resize(self, window: Window) -> None:
        with suppress(Unavailable):  # it may have ended
            await resize(self._docker, self._container_id, window)

    async def signal(self, number: int) -> None:
        """Send a signal to its processes. Raises Unavailable."""
        with suppress(Conflict, NotFound):  # it may have ended
            await self._docker.call(lambda client: _signal(client, self._container_id, number))

    async def wait(self) -> Exit:
        """Wait until it has ended, and return its exit."""
        return await asyncio.shield(self._end)


async def resize(docker: DockerApi, container_id: str, window: Window) -> None:
    """Set the size of a container's terminal. If the container has ended, do nothing. Raises Unavailable."""
    with suppress(Conflict, NotFound):
        await docker.call(lambda client: client.resize(container_id, height=window.rows, width=window.columns))


def _signal(client: APIClient, container_id: str, number: int) -> None:
    made: Json = client.exec_create(container_id, ["bash", "-c", SIGNAL, str(number)], stdout=False, stderr=False)
    client.exec_start(made["Id"], detach=True)
