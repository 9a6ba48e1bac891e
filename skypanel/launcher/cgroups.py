"""Limits of memory, CPU and processes by control groups, version 1 and 2."""

# ruff: noqa: ASYNC240 - short calls on local file systems

import asyncio
import os
import re
import signal
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from skypanel.domain.limits import Limits
from skypanel.host import usage

CONTROLLERS = ("memory", "cpu", "pids")
# In version 1, a controller of its own counts CPU time.
ACCOUNTING = "cpuacct"
_PERIOD_US = 100_000
_DEADLINE_S = 10.0


@dataclass(frozen=True)
class Hierarchy:
    """Where each controller is mounted. In version 2 all have the same mount point."""

    version: int
    mounts: Mapping[str, Path]

    def paths(self, group: str) -> tuple[Path, ...]:
        """Return the folders that make up a group."""
        return tuple(dict.fromkeys(mount / group for mount in self.mounts.values()))


@dataclass(frozen=True)
class Write:
    """A value for a control file. An optional file may be missing, because not every kernel counts swap."""

    path: Path
    value: str
    optional: bool = False


def find_hierarchy(mounts: str) -> Hierarchy | None:
    """Return the hierarchy that a /proc/self/mounts lists.

    Returns None if version 1 lacks a controller, or if neither version is mounted.
    """
    first: dict[str, Path] = {}
    second: Path | None = None
    for line in mounts.splitlines():
        _, path, kind, flags, *_ = line.split()
        if kind == "cgroup":
            first |= {controller: Path(path) for controller in (*CONTROLLERS, ACCOUNTING) if controller in flags.split(",")}
        elif kind == "cgroup2":
            second = Path(path)
    if set(first) == {*CONTROLLERS, ACCOUNTING}:
        return Hierarchy(1, first)
    return Hierarchy(2, dict.fromkeys(CONTROLLERS, second)) if second and not first else None


def limit_writes(hierarchy: Hierarchy, group: str, limits: Limits) -> tuple[Write, ...]:
    """Return the writes that limit a group."""
    memory, cpu, pids = (hierarchy.mounts[controller] / group for controller in CONTROLLERS)
    quota = round(limits.cpu_cores * _PERIOD_US)
    if hierarchy.version == 1:
        return (
            Write(memory / "memory.limit_in_bytes", str(limits.memory_bytes)),
            Write(memory / "memory.memsw.limit_in_bytes", str(limits.memory_bytes), optional=True),
            Write(cpu / "cpu.cfs_period_us", str(_PERIOD_US)),
            Write(cpu / "cpu.cfs_quota_us", str(quota)),
            Write(pids / "pids.max", str(limits.pids)),
        )
    return (
        Write(memory / "memory.max", str(limits.memory_bytes)),
        Write(memory / "memory.swap.max", "0", optional=True),
        Write(memory / "memory.oom.group", "1", optional=True),
        Write(cpu / "cpu.max", f"{quota} {_PERIOD_US}"),
        Write(pids / "pids.max", str(limits.pids)),
    )


def oom_kills(events: str) -> int:
    """Return how many processes the kernel killed, from memory.oom_control (version 1) or memory.events (version 2)."""
    found = re.search(r"^oom_kill (\d+)$", events, re.MULTILINE)
    return int(found.group(1)) if found else 0


class Group:
    """The control group of one sandbox."""

    def __init__(self, hierarchy: Hierarchy, name: str) -> None:
        self._hierarchy = hierarchy
        self._name = name
        self._paths = hierarchy.paths(name)
        cpu = hierarchy.mounts[ACCOUNTING if hierarchy.version == 1 else "cpu"] / name
        self._counters = usage.group(hierarchy.version, str(cpu), str(hierarchy.mounts["memory"] / name))
        self._events = hierarchy.mounts["memory"] / name / ("memory.oom_control" if hierarchy.version == 1 else "memory.events")

    def open(self, limits: Limits) -> None:
        """Make the group and enforce its limits. Raises OSError."""
        for path in self._paths:
            path.mkdir()
        for write in limit_writes(self._hierarchy, self._name, limits):
            if not write.optional or write.path.exists():
                write.path.write_text(write.value)

    def add(self, pid: int) -> None:
        """Move a process into the group. Children that it starts later are in it too."""
        for path in self._paths:
            (path / "cgroup.procs").write_text(str(pid))

    def out_of_memory(self) -> bool:
        """Whether the kernel's OOM killer ended a process of the group."""
        return oom_kills(self._events.read_text()) > 0

    def used(self) -> tuple[float, int]:
        """Return the CPU time that the group has used, in seconds, and its memory in bytes. Raises OSError if it is gone."""
        return self._counters.used()

    async def close(self) -> None:
        """Kill the group's processes and remove it."""
        for path in self._paths:
            await _remove(path)


class Cgroups:
    """All control groups of one launcher, under a parent group of its own."""

    def __init__(self, hierarchy: Hierarchy, tag: str) -> None:
        self._hierarchy = hierarchy
        self._name = f"skypanel-{tag}"

    def prepare(self) -> None:
        """Make the parent of all groups. Raises OSError if the controllers cannot be used."""
        for path in self._hierarchy.paths(self._name):
            path.mkdir(exist_ok=True)
        if self._hierarchy.version == 2:  # noqa: PLR2004 - the version of control groups
            enable = " ".join(f"+{controller}" for controller in CONTROLLERS)
            mount = self._hierarchy.mounts["memory"]
            for parent in (mount, mount / self._name):
                (parent / "cgroup.subtree_control").write_text(enable)

    def group(self, name: str) -> Group:
        """Return the group of a sandbox. `open` makes it."""
        return Group(self._hierarchy, f"{self._name}/{name}")

    async def clear(self) -> None:
        """Kill and remove every group under this launcher's name, including orphans of an earlier launcher."""
        for path in self._hierarchy.paths(self._name):
            if path.is_dir():
                for child in [entry for entry in path.iterdir() if entry.is_dir()]:
                    await _remove(child)
                await _remove(path)


async def _remove(path: Path) -> None:
    """Kill a group's processes until it is empty, then remove it. The kernel takes a moment to release them.

    Raises OSError if it is not removed within 10 s.
    """
    deadline = asyncio.get_running_loop().time() + _DEADLINE_S
    while path.is_dir():
        for pid in (path / "cgroup.procs").read_text().split():
            _kill(int(pid))
        try:
            path.rmdir()
        except OSError:
            if asyncio.get_running_loop().time() > deadline:
                raise
            await asyncio.sleep(0.01)


def _kill(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return
