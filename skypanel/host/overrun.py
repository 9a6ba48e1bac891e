"""The limits that a sandbox can exceed, and how users are told."""

from enum import StrEnum

from skypanel.domain.limits import MIB, Limits

_UNITS = {"hour": 3600, "minute": 60, "second": 1}


class Overrun(StrEnum):
    """Which limit was exceeded."""

    MEMORY = "memory"
    DISK = "disk"
    CACHE = "cache"
    TIMEOUT = "timeout"


def sentence(overrun: Overrun, limits: Limits) -> str:
    """Return what a sandbox did, as a sentence without its capital."""
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
