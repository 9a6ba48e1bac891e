"""How much of a machine one sandbox may use."""

from dataclasses import dataclass

MIB = 1024**2
GIB = 1024**3
# On average: a disk has room for so many files as this goes into it.
BYTES_PER_FILE = 8192
# Of /dev/shm, which counts as memory.
SHM_BYTES = 64 * 1024**2


@dataclass(frozen=True)
class Limits:
    """The bounds of a build or a dyno. `timeout_s` is None where it may run for ever.

    `cache_bytes` is how much of a build's cache is kept for the next build.
    """

    cpu_cores: float
    memory_bytes: int
    pids: int
    disk_bytes: int
    timeout_s: float | None = None
    cache_bytes: int = 0

    @property
    def cache_room_bytes(self) -> int:
        """How large a cache may be while the build runs: one that has all that is kept can be written to as the disk can."""
        return self.cache_bytes + self.disk_bytes

    @property
    def cache_files(self) -> int:
        """How many files of a build's cache are kept."""
        return self.cache_bytes // BYTES_PER_FILE


BUILD_LIMITS = Limits(cpu_cores=2, memory_bytes=2 * GIB, pids=1024, disk_bytes=4 * GIB, timeout_s=15 * 60, cache_bytes=2 * GIB)
MAX_SLUG_BYTES = 500 * MIB
