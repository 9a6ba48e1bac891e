"""Limits that a sandbox ran over: how they are noticed, and the sentence for the user."""

import asyncio
from collections.abc import Sequence
from enum import StrEnum
from typing import Protocol

from skypanel.domain.limits import MIB, Limits
from skypanel.launcher.disks import Disk

INTERVAL_S = 0.5
_UNITS = {"hour": 3600, "minute": 60, "second": 1}


class Overrun(StrEnum):
    """Which limit it was."""

    MEMORY = "memory"
    DISK = "disk"
    CACHE = "cache"
    TIMEOUT = "timeout"


class Bounds(Protocol):
    """What holds a sandbox's processes to their limits: a control group, or a look at them now and then."""

    def open(self, limits: Limits) -> None:
        """Put the limits in force. Raises OSError."""
        ...

    def add(self, pid: int) -> None:
        """Put a process under the limits, and all its children to come."""
        ...

    def out_of_memory(self) -> bool:
        """Whether they used more memory than they may."""
        ...

    async def close(self) -> None:
        """End what is left and forget it."""
        ...


def sentence(overrun: Overrun, limits: Limits) -> str:
    """Return what a sandbox did, as the rest of a sentence that begins with its name."""
    match overrun:
        case Overrun.MEMORY:
            return f"it used more than {limits.memory_bytes // MIB} MiB of memory"
        case Overrun.DISK:
            return f"it wrote more than {limits.disk_bytes // MIB} MiB to disk"
        case Overrun.CACHE:
            return f"it filled its cache of {limits.cache_room_bytes // MIB} MiB; the next build begins with an empty one"
        case Overrun.TIMEOUT:
            return f"it ran longer than {_duration(limits.timeout_s or 0)}"


def _duration(seconds: float) -> str:
    for name, length in _UNITS.items():
        if seconds >= length and seconds % length == 0:
            return f"1 {name}" if seconds == length else f"{seconds / length:.0f} {name}s"
    return f"{seconds:g} seconds"


async def watch(bounds: Bounds, disks: Sequence[Disk], deadline: float | None) -> Overrun:
    """Return the first limit that is run over. `deadline` is a time of the event loop's clock."""
    loop = asyncio.get_running_loop()
    while deadline is None or loop.time() < deadline:
        if (found := await over_now(bounds, disks)) is not None:
            return found
        left = INTERVAL_S if deadline is None else min(INTERVAL_S, deadline - loop.time())
        await asyncio.sleep(max(left, 0))
    return Overrun.TIMEOUT


async def over_now(bounds: Bounds, disks: Sequence[Disk]) -> Overrun | None:
    """Return the limit of space that is run over at this moment."""
    if bounds.out_of_memory():
        return Overrun.MEMORY
    for disk in disks:
        if await disk.full():
            return Overrun.DISK if disk.kept_bytes is None else Overrun.CACHE
    return None
