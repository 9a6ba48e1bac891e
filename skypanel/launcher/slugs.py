"""Slugs, extracted once so that the start of a dyno downloads nothing."""

import asyncio
import os
from collections import Counter

from skypanel.domain.errors import NotFound, Unavailable
from skypanel.domain.ids import AppId
from skypanel.domain.limits import GIB, MIB, Limits
from skypanel.host.protocol import RunStep, StageSlug, Tenant
from skypanel.launcher.disks import FolderDisk, delete_tree, opened
from skypanel.launcher.machine import SandboxHost
from skypanel.launcher.running import Streams
from skypanel.launcher.sandbox import Bind
from skypanel.launcher.spreading import spread
from skypanel.launcher.workspace import Workspace

EXTRACT_LIMITS = Limits(cpu_cores=2, memory_bytes=512 * MIB, pids=32, disk_bytes=8 * GIB, timeout_s=600)
_COMMAND = RunStep(("tar", "--zstd", "-x", "-f", "-", "-C", "/app", "--no-same-owner"), {"PATH": "/usr/bin:/bin"}, "/app", network=False)
PART = ".part"


class Slugs:
    """The staged slugs, and which of them are in use."""

    def __init__(self, machine: SandboxHost) -> None:
        self._machine = machine
        self._users: Counter[tuple[AppId, str]] = Counter()
        self._pending_deletion: set[tuple[AppId, str]] = set()

    def staged(self, tenant: Tenant, digest: str) -> bool:
        """Whether a slug is staged. The question also cancels its pending deletion."""
        self._pending_deletion.discard((tenant.app_id, digest))
        return self._machine.places.slug(tenant.app_id, digest).is_dir()

    async def stage(self, request: StageSlug, source: int) -> None:
        """Extract a slug from the descriptor `source`, in a sandbox. The slug appears atomically. Raises Unavailable."""
        tenant, machine = request.tenant, self._machine
        if self.staged(tenant, request.digest):
            return
        target = machine.places.slug(tenant.app_id, request.digest)
        target.parent.mkdir(mode=0o711, exist_ok=True)
        spread(target.parent)
        name = machine.new_name()
        part = FolderDisk(target.with_name(f"{name}{PART}"), EXTRACT_LIMITS.disk_bytes)
        async with opened(part):
            os.chown(part.path, machine.owner(tenant), machine.owner(tenant))
            part.path.chmod(0o700)
            await self._extract(name, tenant, source, part)
            part.path.chmod(0o755)
            if not self.staged(tenant, request.digest):
                part.path.rename(target)

    async def _extract(self, name: str, tenant: Tenant, source: int, disk: FolderDisk) -> None:
        deadline = asyncio.get_running_loop().time() + (EXTRACT_LIMITS.timeout_s or 0)
        with open(os.devnull, "wb") as sink:  # noqa: ASYNC230, PTH123 - opening /dev/null does not block
            async with self._machine.bounds(name, EXTRACT_LIMITS) as bounds:
                workspace = Workspace(self._machine, tenant, EXTRACT_LIMITS, bounds, (disk,), (Bind(disk.path, "/app"),), deadline)
                exit_ = await workspace.step(_COMMAND, Streams(source, sink.fileno(), sink.fileno()))
        if not exit_.ok:
            raise Unavailable(f"The slug could not be extracted: {exit_.reason or f'tar ended with status {exit_.code}'}.")

    def use(self, tenant: Tenant, digest: str) -> None:
        """Keep a slug until `give_back`. Raises NotFound if it is not staged."""
        if not self.staged(tenant, digest):
            raise NotFound("The slug is not staged.", "Stage it first.")
        self._users[tenant.app_id, digest] += 1

    async def give_back(self, tenant: Tenant, digest: str) -> None:
        """Release a slug. It is deleted if deletion is pending and no other dyno uses it."""
        self._users[tenant.app_id, digest] -= 1
        await self._sweep()

    async def keep_only(self, app_id: AppId, digest: str | None) -> None:
        """Delete all slugs of an app but one, each as soon as nothing uses it."""
        folder = self._machine.places.slugs(app_id)
        present = [entry.name for entry in folder.iterdir()] if folder.is_dir() else []
        self._pending_deletion |= {(app_id, name) for name in present if name != digest and not name.endswith(PART)}
        await self._sweep()

    async def _sweep(self) -> None:
        for app_id, digest in [slug for slug in self._pending_deletion if not self._users[slug]]:
            self._pending_deletion.discard((app_id, digest))
            slug = self._machine.places.slug(app_id, digest)
            trash = slug.with_name(f"{self._machine.new_name()}{PART}")
            slug.rename(trash)
            await asyncio.to_thread(delete_tree, trash)
