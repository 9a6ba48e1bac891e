"""One-off dynos: plain containers on the manager's node, in the network of their organization."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import partial

from docker import APIClient
from docker.errors import APIError, NotFound

from skypanel.domain.errors import Unavailable
from skypanel.domain.ids import AppId
from skypanel.domain.limits import Limits
from skypanel.domain.log import moment
from skypanel.domain.manifest import ONE_OFF, SHOWN_COMMAND, Dyno, DynoKey, DynoState, Exit, Manifest, OneOff, Window
from skypanel.drivers.docker import removal as container_removal
from skypanel.drivers.docker.api import DockerApi, Json, labelled
from skypanel.drivers.docker.attach import Streams, attached, executing
from skypanel.drivers.docker.attachment import ContainerAttachment, resize
from skypanel.drivers.docker.seccomp import docker_profile
from skypanel.drivers.swarm.spec import (
    LOG_DRIVER,
    LOG_OPTIONS,
    PROCESS_TYPE,
    SECOND,
    command,
    key_of,
    own_environment,
    own_labels,
    release_labels,
    secret_body,
)
from skypanel.drivers.swarm.tasks import FULL, KILLED, OUT_OF_MEMORY
from skypanel.host.dyno.enter import SILENT, STDIN, STDIN_ONLY
from skypanel.host.layers import UID
from skypanel.host.lines import LineSplitter
from skypanel.host.overrun import Overrun, sentence
from skypanel.ports.output import WriteLine
from skypanel.ports.scheduler import Attached

INDEX = "skypanel.index"
# The end time of a detached one-off dyno, in seconds since 1970.
UNTIL = "skypanel.until"
# How long Docker keeps the output of an ended detached dyno, and how long the start of one may take.
KEPT = timedelta(hours=1)
MAKING_S = 120
# Runs inside the dyno and kills it when the client's connection ends, even if the client was killed.
LEASH = "trap '' HUP INT QUIT TERM USR1 USR2 ALRM PIPE TSTP; while read -r; do :; done; kill -KILL -1"


@dataclass(frozen=True)
class ImagePlacement:
    """The image and network of a one-off dyno, by Docker's ids."""

    id: str
    network_id: str


class OneOffs:
    """The one-off dynos of a panel. `now` returns seconds since 1970."""

    def __init__(self, docker: DockerApi, panel: str, now: Callable[[], float] = time.time) -> None:
        self._docker = docker
        self._panel = panel
        self._now = now

    async def run(
        self, manifest: Manifest, process_command: str, write: WriteLine, *, key: DynoKey, image: ImagePlacement, timeout_s: float
    ) -> Exit:
        """Run a command until it ends, and pass its output to `write` line by line. Raises Unavailable."""
        container = self._container(manifest, process_command, key, image)
        async with self._held(container, secret_body(manifest), replace(manifest.limits, timeout_s=timeout_s)) as (_, streams, end):
            streams.end()
            await _copy_lines(streams, write)
            return await asyncio.shield(end)

    @asynccontextmanager
    async def attach(self, manifest: Manifest, one_off: OneOff, image: ImagePlacement) -> AsyncIterator[Attached]:
        """Run a one-off dyno for the length of the block. Raises Unavailable, or Conflict if its number is in use."""
        container = {**self._numbered(manifest, one_off, image), "Tty": one_off.window is not None}
        limits = replace(manifest.limits, timeout_s=one_off.timeout_s)
        async with self._held(container, _secret(manifest, one_off), limits, one_off.window) as (container_id, streams, end):
            yield ContainerAttachment(self._docker, container_id, streams, end, terminal=one_off.window is not None)

    async def detach(self, manifest: Manifest, one_off: OneOff, image: ImagePlacement) -> None:
        """Start a detached one-off dyno. Raises what `attach` raises."""
        container = self._numbered(manifest, one_off, image)
        container["Labels"][UNTIL] = str(int(self._now() + one_off.timeout_s))
        container["Cmd"] = command(one_off.command, STDIN_ONLY, 0)
        # With StdinOnce Docker may hold the connection until the dyno ends.
        container["StdinOnce"] = False
        container["HostConfig"]["LogConfig"] = {"Type": LOG_DRIVER, "Config": LOG_OPTIONS}
        container_id = await self._create(container)
        try:
            async with attached(self._docker.url, container_id, ("stdin",)) as streams:
                await self._docker.call(lambda client: client.start(container_id))
                await _send(streams, _secret(manifest, one_off))
                streams.end()
                # Docker closes the connection once it has delivered all input.
                async for _ in streams.raw():
                    pass
        except BaseException:
            await asyncio.shield(self._docker.call(partial(_remove, container_id)))
            raise

    async def dynos(self, app_id: AppId | None = None) -> list[Dyno]:
        """Return the running one-off dynos, of an app with their commands, or of all apps without."""
        found = [each for each in await self._found(app_id, running=True) if each["Labels"][PROCESS_TYPE] == ONE_OFF]
        if app_id is None:
            return [_dyno(each) for each in found]
        return [await self._docker.call(partial(_with_command, each)) for each in found]

    async def terminate(self, app_id: AppId, name: str) -> list[str]:
        """Send SIGTERM to the one-off dynos that match a name, and return their names."""
        signalled = []
        for each in await self._found(app_id, running=True):
            dyno = _dyno(each)
            if dyno.key.process_type == ONE_OFF and dyno.key.is_called(name):
                await self._docker.call(partial(send, "TERM", each["Id"]))
                signalled.append(dyno.key.name)
        return signalled

    async def stop(self, app_id: AppId) -> None:
        """Kill all one-off dynos of an app and remove their containers."""
        for each in await self._found(app_id):
            await self._docker.call(partial(_remove, each["Id"]))

    async def sweep(self, kept: timedelta = KEPT) -> None:
        """Kill dynos past their end time, and remove containers that ended longer ago than `kept`."""
        for each in await self._found(None):
            if each["State"] == "running":
                if UNTIL in each["Labels"] and self._now() > int(each["Labels"][UNTIL]):
                    await self._docker.call(partial(send, "KILL", each["Id"]))
            elif await self._docker.call(partial(_is_old, each, kept)):
                await self._docker.call(partial(_remove, each["Id"]))

    async def _found(self, app_id: AppId | None, *, running: bool = False) -> list[Json]:
        wanted = labelled(own_labels(self._panel, app_id))
        wanted["label"].append(INDEX)
        found: list[Json] = await self._docker.call(lambda client: client.containers(all=not running, filters=wanted))
        return found

    def _numbered(self, manifest: Manifest, one_off: OneOff, image: ImagePlacement) -> Json:
        """Return a container with a unique name, so that a second one of the same number raises Conflict."""
        return {
            **self._container(manifest, one_off.command, one_off.key(manifest), image),
            "Name": f"{ONE_OFF}-{self._panel}-{manifest.app_id.hex}-{one_off.number}",
        }

    def _container(self, manifest: Manifest, process_command: str, key: DynoKey, image: ImagePlacement) -> Json:
        labels = {**release_labels(self._panel, manifest), PROCESS_TYPE: key.process_type, INDEX: str(key.index)}
        return {**one_off_spec(manifest, process_command, key.name, image.network_id), "Image": image.id, "Labels": labels}

    @asynccontextmanager
    async def _held(
        self, container: Json, body: bytes, limits: Limits, window: Window | None = None
    ) -> AsyncIterator[tuple[str, Streams, "asyncio.Task[Exit]"]]:
        """Run a container for the length of the block, with its environment delivered. The task yields its exit."""
        async with self._created(container) as container_id, attached(self._docker.url, container_id) as streams:
            await self._docker.call(lambda client: client.start(container_id))
            async with self._leash(container_id) as leash:
                end = asyncio.create_task(self._end(container_id, leash, limits))
                try:
                    if window is not None:
                        await resize(self._docker, container_id, window)
                    await _send(streams, body, silent=window is not None)
                    yield container_id, streams, end
                finally:
                    end.cancel()
                    await asyncio.wait({end})

    @asynccontextmanager
    async def _leash(self, container_id: str) -> AsyncIterator[Streams]:
        made: Json = await self._docker.call(lambda client: client.exec_create(container_id, ["bash", "-c", LEASH], stdin=True))
        async with executing(self._docker.url, made["Id"]) as leash:
            yield leash

    async def _end(self, container_id: str, leash: Streams, limits: Limits) -> Exit:
        timed_out = False
        try:
            async with asyncio.timeout(limits.timeout_s):
                async for _ in leash.raw():
                    pass
        except TimeoutError:
            timed_out = True
        # If the dyno killed its leash, it must end too.
        await self._docker.call(partial(send, "KILL", container_id))
        ended: Json = await self._docker.call(lambda client: _wait(client, container_id))
        return _exit(ended, limits, timed_out=timed_out)

    @asynccontextmanager
    async def _created(self, container: Json) -> AsyncIterator[str]:
        container_id = await self._create(container)
        try:
            yield container_id
        finally:
            await asyncio.shield(self._docker.call(partial(_remove, container_id)))

    async def _create(self, container: Json) -> str:
        wanted = {name: value for name, value in container.items() if name != "Name"}
        made: Json = await self._docker.call(lambda client: client.create_container_from_config(wanted, container.get("Name")))
        return str(made["Id"])


def one_off_spec(manifest: Manifest, process_command: str, dyno: str, network_id: str) -> Json:
    """Return the container for `POST /containers/create`, without its image and labels. Its environment comes by stdin."""
    limits = manifest.limits
    return {
        "Cmd": command(process_command, STDIN, 0),
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
            "SecurityOpt": ["no-new-privileges", f"seccomp={docker_profile()}"],
            "NanoCpus": int(limits.cpu_cores * SECOND),
            "Memory": limits.memory_bytes,
            "MemorySwap": limits.memory_bytes,
            "PidsLimit": limits.pids,
            "LogConfig": {"Type": "none"},
        },
    }


def send(signal: str, container_id: str, client: APIClient) -> None:
    """Send a signal such as TERM to a container. If it has ended, do nothing."""
    with suppress(APIError):
        client.kill(container_id, signal)


def _remove(container_id: str, client: APIClient) -> None:
    with suppress(NotFound):
        container_removal.remove(client, container_id)


def _wait(client: APIClient, container_id: str) -> Json:
    client.wait(container_id)
    state: Json = client.inspect_container(container_id)["State"]
    return state


def _is_old(found: Json, kept: timedelta, client: APIClient) -> bool:
    """Whether a stopped container was created, or ended, long enough ago."""
    if found["State"] == "created":
        return bool(time.time() - found["Created"] > MAKING_S)
    try:
        ended = str(client.inspect_container(found["Id"])["State"]["FinishedAt"])
    except NotFound:
        return False
    return datetime.now(UTC) - moment(ended) > kept


def _dyno(found: Json) -> Dyno:
    labels: Mapping[str, str] = found["Labels"]
    return Dyno(key_of(labels, int(labels[INDEX])), DynoState.UP, datetime.fromtimestamp(found["Created"], UTC))


def _with_command(found: Json, client: APIClient) -> Dyno:
    """Return a dyno with its command. The command is not a label, because many can read labels."""
    dyno = _dyno(found)
    with suppress(NotFound):  # it may have ended
        return replace(dyno, command=str(client.inspect_container(found["Id"])["Config"]["Cmd"][-1])[:SHOWN_COMMAND])
    return dyno


def _exit(state: Json, limits: Limits, *, timed_out: bool) -> Exit:
    code = state["ExitCode"]
    out_of_memory = state["OOMKilled"] or code == OUT_OF_MEMORY
    ends = ((Overrun.TIMEOUT, timed_out), (Overrun.MEMORY, out_of_memory), (Overrun.DISK, code == FULL))
    return Exit(KILLED if out_of_memory else code, next((sentence(overrun, limits) for overrun, is_why in ends if is_why), None))


def _secret(manifest: Manifest, one_off: OneOff) -> bytes:
    return secret_body(replace(manifest, config_vars={**manifest.config_vars, **one_off.environment}))


async def _send(streams: Streams, body: bytes, *, silent: bool = False) -> None:
    """Write the environment to a dyno. On a terminal, wait until it no longer echoes. Raises Unavailable."""
    try:
        if silent:
            await streams.until(SILENT)
        await streams.write(b"%d\n" % len(body) + body)
        if silent:
            # Until the settings are restored, keys have no special meaning: ^D would not end the input.
            await streams.until(SILENT)
    except ConnectionError as error:
        raise Unavailable("Docker closed the connection to a one-off dyno.", "Check its daemon, then try again.") from error


async def _copy_lines(streams: Streams, write: WriteLine) -> None:
    splitter = LineSplitter()
    async for _, chunk in streams.frames():
        for line in splitter.feed(chunk):
            await write(line)
    for line in splitter.end():
        await write(line)
