"""The memory limit without control groups, by polling the processes."""

from skypanel.domain.limits import Limits
from skypanel.launcher.processes import descendants, parents, uses_more_than


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

    async def close(self) -> None:
        """Stop measuring."""
        self._init = None
