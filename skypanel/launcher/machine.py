"""What this machine gives to sandboxes: user ids, disks, networks and limits."""

import asyncio
import itertools
import os
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from skypanel.domain.ids import AppId
from skypanel.domain.limits import Limits
from skypanel.host.cancellation import complete_despite_cancel
from skypanel.host.commands import call
from skypanel.host.protocol import Message, Tenant
from skypanel.launcher import running
from skypanel.launcher.bounds import Bounds
from skypanel.launcher.cgroups import Cgroups
from skypanel.launcher.disks import Disk, FolderDisk, LoopDisk, mount_overlay, opened, unmount
from skypanel.launcher.network import Network
from skypanel.launcher.places import Places
from skypanel.launcher.running import RunningSandbox, Streams
from skypanel.launcher.sandbox import Spec, System
from skypanel.launcher.watched import Watched


@dataclass
class SandboxHost:
    """The parts of the machine, and which of them are in use."""

    places: Places
    system: System
    network: Network
    cgroups: Cgroups | None
    uid_base: int
    resolvers: tuple[str, ...]
    loop_devices: bool
    _names: "itertools.count[int]" = field(default_factory=itertools.count)
    _caches: "dict[AppId, _SharedDisk]" = field(default_factory=dict)
    _cache_lock: asyncio.Lock = field(default_factory=asyncio.Lock)

    def uid(self, tenant: Tenant) -> int:
        """Return the user id of an app's processes."""
        return self.uid_base + tenant.number

    def owner(self, tenant: Tenant) -> int:
        """Return the owner of an app's files, as the launcher sees it."""
        return 0 if self.system.unprivileged else self.uid(tenant)

    def features(self) -> Message:
        """Return which limits and networks this machine supports."""
        return {
            "root": not self.system.unprivileged,
            "cgroups": self.cgroups is not None,
            "loop_devices": self.loop_devices,
            "disable_userns": self.system.disable_userns,
            "resolvers": list(self.resolvers),
        }

    def new_name(self) -> str:
        """Return a name that is unique within this launcher."""
        return f"s{next(self._names)}"

    def max_processes(self, limits: Limits) -> int | None:
        """Return the process limit to set inside a sandbox, or None if a control group enforces it."""
        return None if self.cgroups else limits.pids

    @asynccontextmanager
    async def bounds(self, name: str, limits: Limits) -> AsyncIterator[Bounds]:
        """Enforce a sandbox's limits for the length of the block. Its processes are killed at the end. Raises OSError."""
        bounds: Bounds = self.cgroups.group(name) if self.cgroups else Watched(limits)
        try:
            bounds.open(limits)
            yield bounds
        finally:
            await complete_despite_cancel(bounds.close())

    def disk(self, name: str, size_bytes: int, tenant: Tenant) -> AbstractAsyncContextManager[Disk]:
        """Open an empty disk for the length of a block. Raises CommandFailed, OSError."""
        if self.loop_devices:
            return opened(LoopDisk(self.places.images / f"{name}.img", self.places.mounts / name, size_bytes, self.owner(tenant)))
        return opened(FolderDisk(self.places.images / name, size_bytes))

    @asynccontextmanager
    async def cache(self, tenant: Tenant, limits: Limits) -> AsyncIterator[tuple[Disk, Path]]:
        """Open an app's build cache and its folder. Concurrent builds share it. Raises CommandFailed, OSError."""
        app_id = tenant.app_id
        async with self._cache_lock:
            if app_id not in self._caches:
                stack = AsyncExitStack()
                disk = await stack.enter_async_context(opened(self._cache_disk(tenant, limits)))
                self._caches[app_id] = _SharedDisk(disk, self.own_folder(disk, "files", tenant), stack)
            shared = self._caches[app_id]
            shared.users += 1
        try:
            yield shared.disk, shared.folder
        finally:
            await complete_despite_cancel(self._release_cache(app_id, shared))

    async def _release_cache(self, app_id: AppId, shared: "_SharedDisk") -> None:
        async with self._cache_lock:
            shared.users -= 1
            if not shared.users:
                del self._caches[app_id]
                await shared.stack.aclose()

    def _cache_disk(self, tenant: Tenant, limits: Limits) -> Disk:
        kept = self.places.cache(tenant.app_id)
        kept.mkdir(exist_ok=True)
        if self.loop_devices:
            path = self.places.mounts / f"cache-{tenant.app_id}"
            return LoopDisk(kept / "disk.img", path, limits.cache_room_bytes, self.owner(tenant), limits.cache_bytes)
        return FolderDisk(kept / "disk", limits.cache_room_bytes, limits.cache_bytes)

    @asynccontextmanager
    async def overlay(self, disk: Disk, tenant: Tenant, digest: str) -> AsyncIterator[Path]:
        """Mount a slug for the length of the block; writes go to `disk`. Raises CommandFailed, OSError."""
        upper, work, merged = (self.own_folder(disk, name, tenant) for name in ("upper", "work", "app"))
        lower = self.places.slug(tenant.app_id, digest)
        try:
            await call(mount_overlay(lower, upper, work, merged, unprivileged=self.system.unprivileged))
            yield merged
        finally:
            await complete_despite_cancel(unmount(merged))

    def own_folder(self, disk: Disk, name: str, tenant: Tenant) -> Path:
        """Return a folder on a disk that belongs to an app. It is made if missing."""
        folder = disk.path / name
        folder.mkdir(mode=0o755, exist_ok=True)
        owner = self.owner(tenant)
        os.chown(folder, owner, owner)
        return folder

    @asynccontextmanager
    async def run(self, spec: Spec, streams: Streams, bounds: Bounds, slot: int | None) -> AsyncIterator[RunningSandbox]:
        """Run a sandbox for the length of the block. Its limits and network are in place before its command starts.

        Raises CommandFailed, OSError.
        """
        sandbox = await running.start(spec, self.system, streams)
        try:
            _prefer_for_oom_kill(sandbox.init_pid)
            bounds.add(sandbox.init_pid)
            if slot is not None:
                await self.network.attach(slot, sandbox.init_pid)
            sandbox.release()
            yield sandbox
        finally:
            await complete_despite_cancel(self._end(sandbox, slot))

    async def _end(self, sandbox: RunningSandbox, slot: int | None) -> None:
        await running.discard(sandbox)
        if slot is not None:
            await self.network.detach(slot)


def _prefer_for_oom_kill(pid: int) -> None:
    """Make the kernel kill a sandbox before the panel when the machine runs out of memory (proc(5), oom_score_adj)."""
    Path("/proc", str(pid), "oom_score_adj").write_text("500")


@dataclass
class _SharedDisk:
    disk: Disk
    folder: Path
    stack: AsyncExitStack
    users: int = 0
