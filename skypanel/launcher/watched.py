"""The memory limit without control groups, by polling the processes."""

from skypanel.domain.limits import Limits
from skypanel.launcher.processes import descendants, parents, resident_bytes, used_s, uses_more_than


class Watched:
    """Measures one sandbox's processes. A resource limit inside the sandbox bounds their number."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._init: int | None = None

    def open(self, limits: Limits) -> None:
        """Set the limits to measure against."""
        self._limits = limits

    def add(self, pid: int) -> None:
        """Measure the processes below `pid` from now on."""
        self._init = pid

    def out_of_memory(self) -> bool:
        """Whether the processes use more memory than the limit now."""
        return self._init is not None and uses_more_than(self._limits.memory_bytes, descendants(parents(), self._init))

    def used(self) -> tuple[float, int]:
        """Return the CPU time that the processes have used, in seconds, and their memory in bytes."""
        pids = frozenset() if self._init is None else descendants(parents(), self._init)
        return used_s(pids), resident_bytes(pids)

    async def close(self) -> None:
        """Stop measuring."""
        self._init = None
