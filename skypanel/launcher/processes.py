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
    """Return the parent in a /proc/PID/stat; the name in it may hold spaces and brackets."""
    return int(stat.rpartition(")")[2].split()[_PARENT_FIELD])


def descendants(parents: Mapping[int, int], root: int) -> frozenset[int]:
    """Return all processes below `root`, of a map from pid to parent."""
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
    """Return which processes a polite stop is for.

    Not the sandbox's init, and not the shell that started the command while it waits for others:
    its end would be the end of all of them.
    """
    everyone = descendants(parents, init)
    waiting = {pid for pid in everyone & shells if parents[pid] == init and descendants(parents, pid)}
    return everyone - waiting


def parents() -> dict[int, int]:
    """Return the parent of every process there is."""
    return dict(_each_parent())


def stoppable(init: int) -> frozenset[int]:
    """Return the processes of a running sandbox that a polite stop is for, now."""
    everyone = parents()
    return to_signal(everyone, init, frozenset(pid for pid in descendants(everyone, init) if _is_shell(pid)))


def terminate(pid: int, init: int) -> None:
    """Ask a process of the sandbox of `init` to end."""
    send(pid, init, signal.SIGTERM)


def send(pid: int, init: int, number: int) -> None:
    """Send a signal to a process of the sandbox of `init`; a pid that has become somebody else's is left alone."""
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
    """Whether processes hold more memory than that; shared pages are divided only where it matters, as it is dear to count."""
    return sum(map(_resident, pids)) > limit_bytes and sum(map(_proportional, pids)) > limit_bytes


def used_s(pids: frozenset[int]) -> float:
    """Return what processes, and those of their children that ended, used of processors."""
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
    """Return a process's memory with its share of what it shares (proc(5), smaps_rollup)."""
    try:
        lines = (PROC / str(pid) / "smaps_rollup").read_text().splitlines()
    except (FileNotFoundError, ProcessLookupError):
        return 0
    return next((int(line.split()[1]) * KIB for line in lines if line.startswith("Pss:")), 0)
