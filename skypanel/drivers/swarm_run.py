"""One-off dynos: plain containers of the manager's node, in the network of their organization."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from functools import partial
from uuid import UUID

from docker import APIClient
from docker.errors import APIError, NotFound

from skypanel.domain.errors import Unavailable
from skypanel.domain.limits import Limits
from skypanel.domain.manifest import Exit, Manifest
from skypanel.drivers.docker_api import DockerApi, Json, labelled
from skypanel.drivers.layers import UID
from skypanel.drivers.swarm_spec import APP, PANEL, SECOND, command, own_environment, release_labels, secret_body
from skypanel.launcher.lines import LineSplitter
from skypanel.launcher.overrun import Overrun, sentence
from skypanel.ports import WriteLine

ONE_OFF = "skypanel.one-off"
CHUNK_BYTES = 64 * 1024
# A frame of an attached stream: which of the two it is, three bytes of nothing, its length.
HEADER_BYTES = 8


class OneOffs:
    """The one-off dynos of a panel."""

    def __init__(self, docker: DockerApi, panel: str) -> None:
        self._docker = docker
        self._panel = panel

    async def run(
        self, manifest: Manifest, process_command: str, write: WriteLine, *, dyno: str, image_id: str, network_id: str, timeout_s: float
    ) -> Exit:
        """Run a command to its end, its output line by line. Raises Unavailable."""
        labels = {**release_labels(self._panel, manifest), ONE_OFF: dyno}
        container = {**one_off(manifest, process_command, dyno, network_id), "Image": image_id, "Labels": labels}
        async with self._created(container) as container_id, self._attached(container_id) as stream:
            await self._docker.call(lambda client: client.start(container_id))
            timed_out = False
            try:
                async with asyncio.timeout(timeout_s):
                    await _send(stream, secret_body(manifest))
                    await _copy_lines(stream, write)
            except TimeoutError:
                timed_out = True
                await self._docker.call(partial(_kill, container_id))
            ended: Json = await self._docker.call(lambda client: _wait(client, container_id))
            return _exit(ended, replace(manifest.limits, timeout_s=timeout_s), timed_out=timed_out)

    async def stop(self, app_id: UUID) -> None:
        """End all one-off dynos of an app."""
        wanted = labelled({PANEL: self._panel, APP: str(app_id)})
        wanted["label"].append(ONE_OFF)
        found: list[Json] = await self._docker.call(lambda client: client.containers(all=True, filters=wanted))
        for each in found:
            await self._docker.call(partial(_remove, each["Id"]))

    @asynccontextmanager
    async def _created(self, container: Json) -> AsyncIterator[str]:
        made: Json = await self._docker.call(lambda client: client.create_container_from_config(container))
        try:
            yield made["Id"]
        finally:
            await asyncio.shield(self._docker.call(partial(_remove, made["Id"])))

    @asynccontextmanager
    async def _attached(self, container_id: str) -> AsyncIterator[socket.socket]:
        attached: socket.SocketIO = await self._docker.call(lambda client: _attach(client, container_id))
        # The SDK's reader on top of it would block; nothing has come yet that it could have read ahead.
        stream: socket.socket = attached._sock  # type: ignore[attr-defined]  # noqa: SLF001
        stream.settimeout(0)
        try:
            yield stream
        finally:
            attached.close()
            stream.close()


def one_off(manifest: Manifest, process_command: str, dyno: str, network_id: str) -> Json:
    """Return a container as `POST /containers/create` takes it, but for its image and labels; its environment comes by its stdin."""
    limits = manifest.limits
    return {
        "Cmd": command(process_command, "-", 0),
        "Env": own_environment(dyno),
        "User": f"{UID}:{UID}",
        "WorkingDir": "/app",
        "AttachStdin": True,
        "AttachStdout": True,
        "AttachStderr": True,
        "OpenStdin": True,
        "StdinOnce": True,
        "HostConfig": {
            "Init": True,
            "NetworkMode": network_id,
            "CapDrop": ["ALL"],
            "SecurityOpt": ["no-new-privileges"],
            "NanoCpus": int(limits.cpu_cores * SECOND),
            "Memory": limits.memory_bytes,
            "MemorySwap": limits.memory_bytes,
            "PidsLimit": limits.pids,
            "LogConfig": {"Type": "none"},
        },
    }


def _attach(client: APIClient, container_id: str) -> socket.SocketIO:
    attached: socket.SocketIO = client.attach_socket(container_id, params={"stdin": 1, "stdout": 1, "stderr": 1, "stream": 1})
    return attached


def _kill(container_id: str, client: APIClient) -> None:
    with suppress(APIError):  # it ended by itself
        client.kill(container_id)


def _remove(container_id: str, client: APIClient) -> None:
    with suppress(NotFound):
        client.remove_container(container_id, force=True, v=True)


def _wait(client: APIClient, container_id: str) -> Json:
    client.wait(container_id)
    state: Json = client.inspect_container(container_id)["State"]
    return state


def _exit(state: Json, limits: Limits, *, timed_out: bool) -> Exit:
    if timed_out:
        return Exit(state["ExitCode"], sentence(Overrun.TIMEOUT, limits))
    return Exit(state["ExitCode"], sentence(Overrun.MEMORY, limits) if state["OOMKilled"] else None)


async def _send(stream: socket.socket, body: bytes) -> None:
    try:
        await asyncio.get_running_loop().sock_sendall(stream, body)
        stream.shutdown(socket.SHUT_WR)
    except OSError as error:
        raise Unavailable("Docker hung up on a one-off dyno.", "Look at its daemon, then try again.") from error


async def _copy_lines(stream: socket.socket, write: WriteLine) -> None:
    frames, splitter = Frames(), LineSplitter()
    while chunk := await asyncio.get_running_loop().sock_recv(stream, CHUNK_BYTES):
        for body in frames.feed(chunk):
            for line in splitter.feed(body):
                await write(line)
    for line in splitter.end():
        await write(line)


class Frames:
    """Cuts an attached stream into what was written, without the headers."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, chunk: bytes) -> list[bytes]:
        """Return the bodies of the frames that are complete with `chunk`."""
        self._rest += chunk
        bodies = []
        while len(self._rest) >= HEADER_BYTES:
            end = HEADER_BYTES + int.from_bytes(self._rest[4:HEADER_BYTES], "big")
            if len(self._rest) < end:
                break
            bodies.append(self._rest[HEADER_BYTES:end])
            self._rest = self._rest[end:]
        return bodies
