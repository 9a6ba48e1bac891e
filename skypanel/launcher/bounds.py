"""Detects that a sandbox exceeds its limits."""

import asyncio
from collections.abc import Sequence
from typing import Protocol

from skypanel.domain.limits import Limits
from skypanel.host.overrun import Overrun
from skypanel.launcher.disks import Disk

INTERVAL_S = 0.5


class Bounds(Protocol):
    """Enforces the limits of a sandbox's processes: by a control group, or by polling them."""

    def open(self, limits: Limits) -> None:
        """Enforce the limits. Raises OSError."""
        ...

    def add(self, pid: int) -> None:
        """Put a process and all its future children under the limits."""
        ...

    def out_of_memory(self) -> bool:
        """Whether the processes exceeded the memory limit."""
        ...

    def used(self) -> tuple[float, int]:
        """Return the CPU time that the processes have used, in seconds, and their memory in bytes. Raises OSError if they have ended."""
        ...

    async def close(self) -> None:
        """Kill the remaining processes and release the limits."""
        ...


async def watch(bounds: Bounds, disks: Sequence[Disk], deadline: float | None) -> Overrun:
    """Wait until a limit is exceeded and return it. `deadline` is a time of the event loop's clock."""
    loop = asyncio.get_running_loop()
    while deadline is None or loop.time() < deadline:
        if (found := await over_now(bounds, disks)) is not None:
            return found
        left = INTERVAL_S if deadline is None else min(INTERVAL_S, deadline - loop.time())
        await asyncio.sleep(max(left, 0))
    return Overrun.TIMEOUT


async def over_now(bounds: Bounds, disks: Sequence[Disk]) -> Overrun | None:
    """Return the memory or disk limit that is exceeded now, or None."""
    if bounds.out_of_memory():
        return Overrun.MEMORY
    for disk in disks:
        if await disk.full():
            return Overrun.DISK if disk.kept_bytes is None else Overrun.CACHE
    return None
