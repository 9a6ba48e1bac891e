"""Workspaces: what a build or one-off dyno has while its connection is open."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

from skypanel.domain.limits import Limits
from skypanel.domain.manifest import Exit
from skypanel.host.cancellation import cancel_and_wait
from skypanel.host.overrun import Overrun, sentence
from skypanel.host.protocol import OpenWorkspace, RunStep, Tenant
from skypanel.launcher.bounds import Bounds, over_now, watch
from skypanel.launcher.disks import Disk
from skypanel.launcher.machine import SandboxHost
from skypanel.launcher.running import RunningSandbox, Streams
from skypanel.launcher.sandbox import Bind, Spec

KILLED = 137


@dataclass
class Workspace:
    """The disk space and limits of one build or one-off dyno. Its steps run one after another."""

    machine: SandboxHost
    tenant: Tenant
    limits: Limits
    bounds: Bounds
    disks: Sequence[Disk]
    binds: Sequence[Bind]
    deadline: float | None
    overrun: Overrun | None = None

    async def step(self, request: RunStep, streams: Streams) -> Exit:
        """Run a command until it ends. Raises CommandFailed, OSError."""
        if self.overrun is not None:
            return self._stopped()
        slot = self.machine.network.take() if request.network else None
        try:
            async with self.machine.run(self._spec(request), streams, self.bounds, slot) as sandbox:
                code = await self._finish(sandbox)
        finally:
            if slot is not None:
                self.machine.network.give_back(slot)
        return Exit(code) if self.overrun is None else self._stopped()

    async def _finish(self, sandbox: RunningSandbox) -> int:
        """Return the exit status once the command has ended by itself or by an exceeded limit."""
        ended = asyncio.create_task(sandbox.wait())
        watching = asyncio.create_task(watch(self.bounds, self.disks, self.deadline))
        try:
            await asyncio.wait({ended, watching}, return_when=asyncio.FIRST_COMPLETED)
            if not ended.done():
                self.overrun = watching.result()
                sandbox.kill()
            code = await ended
        finally:
            await cancel_and_wait(watching, ended)
        if self.overrun is None:
            self.overrun = await over_now(self.bounds, self.disks)
        return code

    def _stopped(self) -> Exit:
        assert self.overrun is not None  # noqa: S101 - callers check this
        return Exit(KILLED, sentence(self.overrun, self.limits))

    def _spec(self, request: RunStep) -> Spec:
        return Spec(
            app_id=self.tenant.app_id,
            uid=self.machine.uid(self.tenant),
            argv=request.argv,
            environment=request.environment,
            directory=request.directory,
            binds=self.binds,
            network=request.network,
            resolvers=self.machine.resolvers if request.network else (),
            max_processes=self.machine.max_processes(self.limits),
        )


@asynccontextmanager
async def open_workspace(machine: SandboxHost, request: OpenWorkspace) -> AsyncIterator[Workspace]:
    """Make a workspace. At the end of the block all of it is deleted except the cache. Raises CommandFailed, OSError."""
    loop = asyncio.get_running_loop()
    tenant, limits, name = request.tenant, request.limits, machine.new_name()
    deadline = None if limits.timeout_s is None else loop.time() + limits.timeout_s
    async with AsyncExitStack() as stack:
        disks = [await stack.enter_async_context(machine.disk(name, limits.disk_bytes, tenant))]
        binds = [Bind(machine.own_folder(disks[0], "tmp", tenant), "/tmp")]  # noqa: S108 - the sandbox's own
        if request.digest is None:
            cache, cached = await stack.enter_async_context(machine.cache(tenant, limits))
            disks.append(cache)
            binds += [Bind(machine.own_folder(disks[0], folder, tenant), f"/{folder}") for folder in ("app", "env")]
            binds += [Bind(cached, "/cache"), Bind(machine.places.buildpacks, "/buildpacks", writable=False)]
            binds.append(Bind(machine.places.tools, "/tools", writable=False))
        else:
            binds.append(Bind(await stack.enter_async_context(machine.overlay(disks[0], tenant, request.digest)), "/app"))
        bounds = await stack.enter_async_context(machine.bounds(name, limits))
        yield Workspace(machine, tenant, limits, bounds, disks, binds, deadline)
