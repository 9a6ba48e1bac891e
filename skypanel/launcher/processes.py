"""The processes of a sandbox, as the host sees them."""

import os
import signal
from collections.abc import Iterator, Mapping
from pathlib import Path

from skypanel.host.listening import cpu_s

PROC = Path("/proc")
_SHELLS = frozenset({"bash", "dash", "sh"})
KIB = 1024
_PAGE = os.sysconf("SC_PAGE_SIZE")
_PARENT_FIELD = 1


def parent_of(stat: str) -> int:
    """Return the parent pid from a /proc/PID/stat. The name in it may contain spaces and brackets."""
    return int(stat.rpartition(")")[2].split()[_PARENT_FIELD])


def descendants(parents: Mapping[int, int], root: int) -> frozenset[int]:
    """Return all processes below `root`. `parents` maps each pid to its parent."""
    children: dict[int, list[int]] = {}
    for pid, parent in parents.items():
        children.setdefault(parent, []).append(pid)
    found: set[int] = set()
    pending = [root]
    while pending:
        for child in children.get(pending.pop(), ()):
            found.add(child)
            pending.append(child)
    return frozenset(found)


def to_signal(parents: Mapping[int, int], init: int, shells: frozenset[int]) -> frozenset[int]:
    """Return the processes that get SIGTERM at a graceful stop.

    The sandbox's init does not, nor the shell that started the command and waits for others: their end would kill all.
    """
    everyone = descendants(parents, init)
    waiting = {pid for pid in everyone & shells if parents[pid] == init and descendants(parents, pid)}
    return everyone - waiting


def parents() -> dict[int, int]:
    """Return the parent of every process of the machine."""
    return dict(_each_parent())


def stoppable(init: int) -> frozenset[int]:
    """Return the processes of a running sandbox that get SIGTERM at a graceful stop."""
    everyone = parents()
    return to_signal(everyone, init, frozenset(pid for pid in descendants(everyone, init) if _is_shell(pid)))


def terminate(pid: int, init: int) -> None:
    """Send SIGTERM to a process of the sandbox of `init`."""
    send(pid, init, signal.SIGTERM)


def send(pid: int, init: int, number: int) -> None:
    """Send a signal to a process of the sandbox of `init`. A pid that was reused outside the sandbox gets none."""
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    try:
        if (PROC / str(pid) / "ns/pid").readlink() == (PROC / str(init) / "ns/pid").readlink():
            signal.pidfd_send_signal(descriptor, number)
    except (FileNotFoundError, ProcessLookupError):
        return
    finally:
        os.close(descriptor)


def uses_more_than(limit_bytes: int, pids: frozenset[int]) -> bool:
    """Whether processes use more memory than `limit_bytes`. Shared pages are divided only if it matters, because that is slow."""
    return resident_bytes(pids) > limit_bytes and sum(map(_proportional, pids)) > limit_bytes


def resident_bytes(pids: frozenset[int]) -> int:
    """Return the memory of processes. Pages that they share count for each."""
    return sum(map(_resident, pids))


def used_s(pids: frozenset[int]) -> float:
    """Return the CPU time of processes and of their ended children, in seconds."""
    return sum(map(_used, pids))


def _used(pid: int) -> float:
    try:
        return cpu_s((PROC / str(pid) / "stat").read_text(errors="replace"))
    except (FileNotFoundError, ProcessLookupError):
        return 0.0


def _each_parent() -> Iterator[tuple[int, int]]:
    for entry in os.scandir(PROC):
        if entry.name.isdigit():
            try:
                yield int(entry.name), parent_of(Path(entry.path, "stat").read_text(errors="replace"))
            except (FileNotFoundError, ProcessLookupError):
                continue


def _is_shell(pid: int) -> bool:
    try:
        return (PROC / str(pid) / "exe").readlink().name in _SHELLS
    except (FileNotFoundError, ProcessLookupError, PermissionError):
        return False


def _resident(pid: int) -> int:
    try:
        return int((PROC / str(pid) / "statm").read_text().split()[1]) * _PAGE
    except (FileNotFoundError, ProcessLookupError):
        return 0


def _proportional(pid: int) -> int:
    """Return a process's proportional set size in bytes (proc(5), smaps_rollup)."""
    try:
        lines = (PROC / str(pid) / "smaps_rollup").read_text().splitlines()
    except (FileNotFoundError, ProcessLookupError):
        return 0
    return next((int(line.split()[1]) * KIB for line in lines if line.startswith("Pss:")), 0)
