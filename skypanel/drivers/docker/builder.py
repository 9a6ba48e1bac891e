"""Builds in containers of the build image, at a Docker daemon."""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from uuid import uuid4

from docker import APIClient

from skypanel.domain.app import App
from skypanel.domain.errors import Conflict, NotFound, Unavailable
from skypanel.domain.limits import Limits
from skypanel.domain.manifest import Exit
from skypanel.drivers.docker import spec as container_spec
from skypanel.drivers.docker import sweep as container_sweep
from skypanel.drivers.docker.api import DockerApi, Json
from skypanel.drivers.docker.attach import STDERR, Streams, attached, check_reachable
from skypanel.drivers.docker.files import archive
from skypanel.drivers.docker.guard import Guard
from skypanel.drivers.docker.spec import OUT_OF_MEMORY, Place
from skypanel.host import firewall
from skypanel.host.allowed import Allowed
from skypanel.host.cancellation import cancel_and_wait, complete_despite_cancel
from skypanel.host.lines import LineSplitter
from skypanel.host.overrun import Overrun, sentence
from skypanel.host.resolvers import nameservers
from skypanel.ports.builder import Step, StepFailed, Workspace
from skypanel.ports.output import WriteLine

KILLED = 137
LAST_LINES = 20


@dataclass(frozen=True)
class Site:
    """What the builds of one panel have in common.

    `buildpacks` is the folder of the bundled buildpacks. `ca_bundle` is a file with CA certificates that replace the image's.
    Builds reach the private addresses in `allowed`, and do not reach the public ones in `blocked`. `panel` is the panel's id.
    """

    image: str
    buildpacks: Path
    ca_bundle: Path | None = None
    allowed: tuple[Allowed, ...] = ()
    blocked: tuple[str, ...] = ()
    panel: str = ""


class ContainerBuilder:
    """Opens workspaces at the daemon whose Unix socket is `url`."""

    def __init__(self, url: str, site: Site) -> None:
        self._url = url
        self._docker = DockerApi(url)
        self.site = site
        self._rules: str | None = None

    def workspace(self, app: App, limits: Limits) -> AbstractAsyncContextManager[Workspace]:
        """Open an empty workspace. At the end of the block all of it is deleted except /cache. Raises Unavailable."""
        return self._open(app, limits)

    async def sweep(self) -> int:
        """Remove workspaces whose panel was killed, and return their number. Raises Unavailable."""
        return await container_sweep.sweep(self._docker)

    async def close(self) -> None:
        """Close all connections to the daemon."""
        await self._docker.close()

    @asynccontextmanager
    async def _open(self, app: App, limits: Limits) -> AsyncIterator[Workspace]:
        loop = asyncio.get_running_loop()
        deadline = None if limits.timeout_s is None else loop.time() + limits.timeout_s
        place = Place(uuid4().hex[:12], app.id, self.site.image, limits, self.site.ca_bundle is not None, self.site.panel)
        rules = await self._ready()
        await container_sweep.sweep(self._docker)
        guard: Guard | None = None
        try:
            await create(self._docker, container_spec.guard(place, rules), place.guard)
            for folder, body in await asyncio.to_thread(self._files):
                await self._docker.call(partial(APIClient.put_archive, container=place.guard, path=folder, data=body))
            async with attached(self._url, place.guard) as streams:
                await self._docker.call(lambda client: client.start(place.guard))
                guard = Guard(streams, limits)
                workspace = ContainerWorkspace(self._url, self._docker, place, guard)
                async with workspace.watched(deadline):
                    yield workspace
        finally:
            await complete_despite_cancel(self._leave(place, guard))

    async def _leave(self, place: Place, guard: Guard | None) -> None:
        await container_sweep.remove(self._docker, place.name)
        if guard is not None and guard.cache_bytes > place.limits.cache_bytes:
            await container_sweep.forget_cache(self._docker, place.app_id)

    def _files(self) -> list[tuple[str, bytes]]:
        files = [("/buildpacks", archive(self.site.buildpacks))]
        if self.site.ca_bundle is not None:
            files.append((container_spec.CERTIFICATES, archive(self.site.ca_bundle, "ca-certificates.crt")))
        return files

    async def _ready(self) -> str:
        """Make the network if it is missing, and return its firewall rules. Raises Unavailable."""
        await check_reachable(self._url)
        if self._rules is None:
            with suppress(Conflict):
                await self._docker.call(lambda client: client.create_network(**container_spec.network()))
            resolvers = nameservers("\n".join(await self._look(("cat", "/etc/resolv.conf"), "bridge")))
            hosts = [word for line in await self._look(("hostname", "-I"), "host") for word in line.split() if ":" not in word]
            self._rules = firewall.own_ruleset(resolvers, self.site.allowed, [*hosts, *self.site.blocked])
        return self._rules

    async def _look(self, argv: Sequence[str], network_mode: str) -> list[str]:
        """Return what a command prints in a container on the daemon's machine."""
        name = f"skypanel-look-{uuid4().hex[:12]}"
        await create(self._docker, container_spec.look(self.site.image, argv, network_mode), name)
        try:
            async with attached(self._url, name) as streams:
                await self._docker.call(lambda client: client.start(name))
                streams.end()
                return b"".join([chunk async for _, chunk in streams.frames()]).decode(errors="replace").splitlines()
        finally:
            await complete_despite_cancel(container_sweep.discard(self._docker, name))


async def create(docker: DockerApi, spec: Json, name: str | None = None) -> str:
    """Create a container and return its id. Raises Unavailable, with a hint if the image is missing."""
    try:
        made: Json = await docker.call(lambda client: client.create_container_from_config(spec, name))
    except NotFound as error:
        raise Unavailable(
            f"The image {spec['Image']} is missing at the Docker daemon. {error.message}", "Run: skypanel stack build"
        ) from error
    return str(made["Id"])


class ContainerWorkspace:
    """A workspace's volumes and guard. Each step runs in a container of its own."""

    def __init__(self, url: str, docker: DockerApi, place: Place, guard: Guard) -> None:
        self._url = url
        self._docker = docker
        self._place = place
        self._guard = guard
        self._running: set[str] = set()
        self._overrun: Overrun | None = None

    async def run(self, step: Step, write: WriteLine, stdin: AsyncIterable[bytes] | None = None) -> Exit:
        """Run a step until it ends, and pass its stdout and stderr to `write` line by line."""
        if self._overrun is not None:
            return self._stopped(self._overrun)
        splitter = LineSplitter()
        async with self._started(step, merged=True) as (container, streams):
            feeding = asyncio.create_task(_feed(streams, stdin))
            try:
                async for _, chunk in streams.frames():
                    for line in splitter.feed(chunk):
                        await write(line)
                for line in splitter.end():
                    await write(line)
                exit_ = await self._exit(container)
                if feeding.done():
                    feeding.result()
                return exit_
            finally:
                await cancel_and_wait(feeding)

    async def read(self, step: Step) -> AsyncGenerator[bytes, None]:
        """Yield a step's stdout as it comes.

        Raises StepFailed at the end if the step failed, with the last lines of its stderr as a note.
        """
        if self._overrun is not None:
            raise StepFailed(self._stopped(self._overrun))
        splitter, last = LineSplitter(), deque[str](maxlen=LAST_LINES)
        async with self._started(step, merged=False) as (container, streams):
            streams.end()
            async for stream, chunk in streams.frames():
                if stream == STDERR:
                    last.extend(splitter.feed(chunk))
                else:
                    yield chunk
            exit_ = await self._exit(container)
        if not exit_.ok:
            failure = StepFailed(exit_)
            failure.add_note("\n".join([*last, *splitter.end()]))
            raise failure

    @asynccontextmanager
    async def watched(self, deadline: float | None) -> AsyncIterator[None]:
        """Enforce the workspace's limits for the length of the block. Raises Unavailable if the guard does not start."""
        await self._guard.ready()
        watching = asyncio.create_task(self._watch(deadline))
        try:
            yield
        finally:
            await cancel_and_wait(watching)

    async def _watch(self, deadline: float | None) -> None:
        """Kill the steps when a limit is exceeded. `deadline` is a time of the event loop's clock."""
        try:
            async with asyncio.timeout_at(deadline):
                over: Overrun | None = await self._guard.overrun()
        except TimeoutError:
            over = Overrun.TIMEOUT
        except Unavailable:
            over = None
        self._overrun = self._overrun or over
        await self._guard.forget()
        for container in tuple(self._running):
            await self._kill(container)

    @asynccontextmanager
    async def _started(self, step: Step, *, merged: bool) -> AsyncIterator[tuple[str, Streams]]:
        container = await create(self._docker, container_spec.step(self._place, step, merged=merged))
        self._running.add(container)
        try:
            async with attached(self._url, container) as streams:
                await self._docker.call(lambda client: client.start(container))
                if self._overrun is not None:
                    await self._kill(container)
                yield container, streams
        finally:
            self._running.discard(container)
            await complete_despite_cancel(container_sweep.discard(self._docker, container))

    async def _exit(self, container: str) -> Exit:
        """Wait for the end of a container that prints nothing more, and return its exit. Raises Unavailable."""
        waited: Json = await self._docker.call(lambda client: client.wait(container, timeout=None))
        state: Json = (await self._docker.call(lambda client: client.inspect_container(container)))["State"]
        if self._overrun is None and (state["OOMKilled"] or waited["StatusCode"] == OUT_OF_MEMORY):
            self._overrun = Overrun.MEMORY
        if self._overrun is None and (over := await self._over()):
            self._overrun = self._overrun or over
        return Exit(waited["StatusCode"]) if self._overrun is None else self._stopped(self._overrun)

    async def _over(self) -> Overrun | None:
        try:
            return await self._guard.over_now()
        except Unavailable:
            if self._overrun is None:
                raise
            return self._overrun

    async def _kill(self, container: str) -> None:
        with suppress(Conflict, NotFound):
            await self._docker.call(lambda client: client.kill(container))

    def _stopped(self, overrun: Overrun) -> Exit:
        return Exit(KILLED, sentence(overrun, self._place.limits))


async def _feed(streams: Streams, stdin: AsyncIterable[bytes] | None) -> None:
    """Write to a step's stdin until the step closes it. If `stdin` raises an error, the step's stdin is closed early."""
    try:
        if stdin is not None:
            async for chunk in stdin:
                await streams.write(chunk)
    except ConnectionError:
        return
    finally:
        streams.end()
