"""How much of a machine one sandbox may use."""

from dataclasses import dataclass

MIB = 1024**2
GIB = 1024**3


@dataclass(frozen=True)
class Limits:
    """The bounds of a build or a dyno. `timeout_s` is None where it may run for ever."""

    cpu_cores: float
    memory_bytes: int
    pids: int
    disk_bytes: int
    timeout_s: float | None = None


BUILD_LIMITS = Limits(cpu_cores=2, memory_bytes=2 * GIB, pids=1024, disk_bytes=4 * GIB, timeout_s=15 * 60)
MAX_SLUG_BYTES = 500 * MIB
