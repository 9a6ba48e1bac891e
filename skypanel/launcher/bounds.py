"""How it is noticed that a sandbox runs over its limits."""

import asyncio
from collections.abc import Sequence
from typing import Protocol

from skypanel.domain.limits import Limits
from skypanel.host.overrun import Overrun
from skypanel.launcher.disks import Disk

INTERVAL_S = 0.5


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
