"""What control groups use, as the kernel counts it in files (cgroups(7), versions 1 and 2), and how fast that grows.

This module also runs on the nodes of a Swarm. So it uses only the standard library, and no other module.
"""

from collections.abc import Callable, Hashable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Generic, Optional, TypeVar

# How often a container may be missing before its restarts are forgotten.
MISSED = 30
_NS, _US = 1e-9, 1e-6
_LOOPBACK = "lo"

Key = TypeVar("Key", bound=Hashable)


@dataclass(frozen=True)
class Counters:
    """What a dyno has used since it started, and its memory and disk space now. Without a measure of its disk, `disk_bytes` is None."""

    cpu_s: float
    memory_bytes: int
    received_bytes: int = 0
    sent_bytes: int = 0
    disk_bytes: Optional[int] = None
    restarts: int = 0


@dataclass(frozen=True)
class Use:
    """What a dyno uses: CPU cores (1.5 is one and a half), bytes, and bytes a second of its network."""

    cpu_cores: float
    memory_bytes: int
    received_bytes_s: float = 0.0
    sent_bytes_s: float = 0.0
    disk_bytes: Optional[int] = None
    restarts: int = 0


@dataclass(frozen=True)
class Group:
    """The files of a control group: its CPU time with the seconds in its unit, its memory, and the file cache that it could free."""

    cpu: str
    cpu_unit_s: float
    memory: str
    statistics: str
    freeable: bytes

    def used(self) -> "tuple[float, int]":
        """Return its CPU time in seconds and its memory in bytes. Raises OSError if the group is gone."""
        words = _read(self.cpu).split(maxsplit=2)
        cpu_s = int(words[1] if words[0] == b"usage_usec" else words[0]) * self.cpu_unit_s
        cached = _read(self.statistics).partition(b"\n" + self.freeable + b" ")[2].partition(b"\n")[0]
        return cpu_s, max(0, int(_read(self.memory)) - int(cached or 0))


def group(version: int, cpu: str, memory: str) -> Group:
    """Return the group whose controllers have these folders."""
    if version == 1:
        return Group(f"{cpu}/cpuacct.usage", _NS, f"{memory}/memory.usage_in_bytes", f"{memory}/memory.stat", b"total_inactive_file")
    return Group(f"{cpu}/cpu.stat", _US, f"{memory}/memory.current", f"{memory}/memory.stat", b"inactive_file")


def find(membership: str, mounts: str) -> Optional[Group]:
    """Return the group of a process from its /proc/PID/cgroup and /proc/self/mountinfo; None if no controller is mounted."""
    paths = {controller: path for _, names, path in _split(membership.splitlines()) for controller in names.split(",")}
    found = {}
    for line in mounts.splitlines():
        before, _, after = line.partition(" - ")
        root, place = before.split()[3:5]
        kind, _, options = after.split(maxsplit=2)
        controllers = {"cpuacct", "memory"} & set(options.split(",")) if kind == "cgroup" else {""} if kind == "cgroup2" else set()
        for controller in controllers & paths.keys():
            found[controller] = place.rstrip("/") + _below(paths[controller], root)
    if {"cpuacct", "memory"} <= found.keys():
        return group(1, found["cpuacct"], found["memory"])
    return group(2, found[""], found[""]) if "" in found else None


def network_bytes(pid: int) -> "tuple[int, int]":
    """Return how many bytes the network of a process received and sent. Raises OSError if the process is gone."""
    received = sent = 0
    for line in _read(f"/proc/{pid}/net/dev").decode().splitlines()[2:]:
        name, _, fields = line.partition(":")
        if name.strip() != _LOOPBACK:
            numbers = fields.split()
            received, sent = received + int(numbers[0]), sent + int(numbers[8])
    return received, sent


class Meter(Generic[Key]):
    """Turns counters into rates since the last measurement. What was not measured then has no rates yet, and is left out."""

    def __init__(self) -> None:
        self._before: dict[Key, tuple[float, Counters]] = {}

    def measure(self, now_s: float, found: Mapping[Key, Counters]) -> "dict[Key, Use]":
        """Return what each uses; `now_s` is the time of a clock that never goes back."""
        before, self._before = self._before, {name: (now_s, counters) for name, counters in found.items()}
        return {
            name: _use(before[name][1], counters, now_s - before[name][0])
            for name, counters in found.items()
            if name in before and now_s > before[name][0]
        }


class Containers:
    """Measures containers of this machine. Each is looked for once; later only files are read."""

    def __init__(self) -> None:
        self._known: dict[str, tuple[int, Group]] = {}
        self._meter: Meter[str] = Meter()
        self._restarts: dict[str, tuple[str, int, int]] = {}

    def measure(self, now_s: float, slots: Mapping[str, str], pid_of: Callable[[str], int]) -> "dict[str, Use]":
        """Return what each container uses. `slots` maps containers to names that another one gets after a restart.

        `pid_of` returns the first process of a container, or 0 if it has ended.
        """
        self._known = {container: self._known[container] for container in slots if container in self._known}
        found = {container: counters for container in slots for counters in self._counters(container, pid_of)}
        self._count(slots)
        measured = self._meter.measure(now_s, found)
        return {container: replace(use, restarts=self._restarts[slots[container]][1]) for container, use in measured.items()}

    def _counters(self, container: str, pid_of: Callable[[str], int]) -> Iterable[Counters]:
        try:
            if container not in self._known:
                pid = pid_of(container)
                found = find(_read(f"/proc/{pid}/cgroup").decode(), _read("/proc/self/mountinfo").decode()) if pid else None
                if found is None:
                    return
                self._known[container] = (pid, found)
            pid, its_group = self._known[container]
            yield Counters(*its_group.used(), *network_bytes(pid))
        except OSError:
            self._known.pop(container, None)  # it has ended meanwhile

    def _count(self, slots: Mapping[str, str]) -> None:
        counted = {slot: (last, restarts, rounds + 1) for slot, (last, restarts, rounds) in self._restarts.items() if rounds < MISSED}
        for container, slot in slots.items():
            last, restarts, _ = self._restarts.get(slot, (container, 0, 0))
            counted[slot] = (container, restarts + (last != container), 0)
        self._restarts = counted


def _use(before: Counters, now: Counters, seconds: float) -> Use:
    def rate(first: float, last: float) -> float:
        # Counters begin at 0 again after a restart.
        return (last - first if last >= first else last) / seconds

    return Use(
        cpu_cores=rate(before.cpu_s, now.cpu_s),
        memory_bytes=now.memory_bytes,
        received_bytes_s=rate(before.received_bytes, now.received_bytes),
        sent_bytes_s=rate(before.sent_bytes, now.sent_bytes),
        disk_bytes=now.disk_bytes,
        restarts=now.restarts,
    )


def _split(lines: Iterable[str]) -> "list[list[str]]":
    return [line.split(":", 2) for line in lines]


def _below(path: str, root: str) -> str:
    """Return a group's path below the root of a mount. In a container, the mount may show a part of the hierarchy only."""
    return path[len(root) :] if root != "/" and path.startswith(root) else path


def _read(path: str) -> bytes:
    with open(path, "rb", buffering=0) as file:
        return file.read()
