"""What the panel's processes use, as the kernel says in /proc (proc(5))."""

import asyncio
import os
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from skypanel.domain.monitoring import ProcessUse

PROC = Path("/proc")
UP, LAUNCHER, SUPERVISORD = "up", "launcher", "supervisord"
# The panel's own programs have a title. The others are named by their files.
TITLE = "skypanel: "
NAMES = {"valkey-server": "valkey"}
_LAUNCHER_MODULE, _SUPERVISORD_MODULE = b"skypanel.launcher", b"skypanel.embedded.supervisord"
_TICKS_S = 1 / os.sysconf("SC_CLK_TCK")
_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


class PanelProcesses:
    """Looks for the processes around supervisord's. Without one on this machine there are none."""

    def __init__(self, pid_file: Path) -> None:
        self._pid_file = pid_file

    async def measure(self) -> Sequence[ProcessUse]:
        """Return what the processes use. It reads a file of each process of the machine, so it does that in a thread."""
        return await asyncio.to_thread(measured, self._pid_file)


@dataclass(frozen=True)
class _Process:
    """The parent of a process, and its CPU time with that of its ended children."""

    parent: int
    cpu_s: float


def measured(pid_file: Path, proc: Path = PROC) -> list[ProcessUse]:
    """Return what the processes around the supervisord of a PID file use, in order of name."""
    try:
        supervisord = int(pid_file.read_text())
    except (OSError, ValueError):
        return []
    found = _processes(proc)
    if supervisord not in found or _SUPERVISORD_MODULE not in _arguments(proc, supervisord):
        return []
    children = defaultdict(list)
    for pid, process in found.items():
        children[process.parent].append(pid)
    up = found[supervisord].parent
    # Dynos and builds are the launcher's children, and are measured as apps.
    launchers = [pid for pid in children[up] if _LAUNCHER_MODULE in _arguments(proc, pid)]
    trees = {_name(proc, pid): _tree(pid, children) for pid in children[supervisord]}
    every = {UP: [up], SUPERVISORD: [supervisord], LAUNCHER: launchers, **trees}
    return [_use(proc, name, pids, found) for name, pids in sorted(every.items()) if name and pids]


def _processes(proc: Path) -> dict[int, _Process]:
    found = {}
    for entry in os.scandir(proc):
        if entry.name.isdigit():
            # The name, in brackets, may hold anything.
            fields = _read(proc / entry.name / "stat").rpartition(b")")[2].split()
            if fields:
                found[int(entry.name)] = _Process(int(fields[1]), sum(map(int, fields[11:15])) * _TICKS_S)
    return found


def _tree(pid: int, children: Mapping[int, Sequence[int]]) -> list[int]:
    """Return a process and all that it started."""
    found = [pid]
    for each in found:
        found += children.get(each, ())
    return found


def _use(proc: Path, name: str, pids: Sequence[int], found: Mapping[int, _Process]) -> ProcessUse:
    known = [found[pid] for pid in pids if pid in found]
    return ProcessUse(name, round(sum(each.cpu_s for each in known), 2), sum(_memory_bytes(proc, pid) for pid in pids))


def _memory_bytes(proc: Path, pid: int) -> int:
    sizes = _read(proc / str(pid) / "statm").split()
    return (int(sizes[1]) - int(sizes[2])) * _PAGE_BYTES if sizes else 0


def _name(proc: Path, pid: int) -> str:
    """Return the name of one of the panel's programs; an empty one if it has ended."""
    words = _arguments(proc, pid).replace(b"\0", b" ").decode(errors="replace").strip()
    if words.startswith(TITLE):
        return words.removeprefix(TITLE)
    program = Path(words.partition(" ")[0]).name
    return NAMES.get(program, program)


def _arguments(proc: Path, pid: int) -> bytes:
    return _read(proc / str(pid) / "cmdline")


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""  # it has ended meanwhile
