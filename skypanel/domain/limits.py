"""Resource limits of one sandbox."""

from dataclasses import dataclass

MIB = 1024**2
GIB = 1024**3
# The average size of a file, which turns a disk limit into a limit on the number of files.
BYTES_PER_FILE = 8192
# The size of /dev/shm, which counts as memory.
SHM_BYTES = 64 * 1024**2


@dataclass(frozen=True)
class Limits:
    """The limits of a build or a dyno. `timeout_s` is None if there is no time limit.

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
        """How large a cache may grow during a build: a full cache still leaves as much room as the disk limit."""
        return self.cache_bytes + self.disk_bytes

    @property
    def cache_files(self) -> int:
        """How many files of a build's cache are kept."""
        return self.cache_bytes // BYTES_PER_FILE


BUILD_LIMITS = Limits(cpu_cores=2, memory_bytes=2 * GIB, pids=1024, disk_bytes=4 * GIB, timeout_s=15 * 60, cache_bytes=2 * GIB)
MAX_SLUG_BYTES = 500 * MIB
