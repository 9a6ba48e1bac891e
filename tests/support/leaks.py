"""Detects leaks: snapshots of a launcher's resources are equal if nothing is left behind."""

import asyncio
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

from skypanel.host import blackhole
from skypanel.host.ranges import UIDS_PER_PANEL
from skypanel.launcher.processes import descendants, parent_of
from tests.fixtures.launcher import RunningLauncher
from tests.support.until import until

STEADY_LOOKS = 10
LOOPS = Path("/sys/block")


@dataclass(frozen=True)
class Holdings:
    """Resources by kind that carry the launcher's name or belong to its processes."""

    processes: frozenset[str]
    links: frozenset[str]
    tables: frozenset[str]
    cgroups: frozenset[str]
    loops: frozenset[str]
    files: frozenset[str]
    mounts: tuple[str, ...]
    descriptors: int


NOTHING = Holdings(*(frozenset(),) * 6, (), 0)


def holdings(launcher: RunningLauncher) -> Holdings:
    """Take a snapshot of a launcher's resources, whether it is running or not."""
    pid = _launcher_pid(launcher)
    return Holdings(
        processes=_processes(launcher, pid),
        links=_links(launcher),
        tables=_tables(launcher) if launcher.root else frozenset(),
        cgroups=frozenset(str(path) for path in Path("/sys/fs/cgroup").glob(f"*/skypanel-{launcher.tag}/*") if path.is_dir()),
        loops=frozenset(file for path in LOOPS.glob("loop*/loop/backing_file") if launcher.tag in (file := _text(path))),
        files=_files(launcher),
        mounts=_mounts(launcher, pid) if pid else (),
        descriptors=len(_names(f"/proc/{pid}/fd")) if pid else 0,
    )


async def settled(launcher: RunningLauncher) -> Holdings:
    """Take snapshots until they no longer change: cleanup after closed connections may still be running."""
    looks = [holdings(launcher)]
    while len(looks) < STEADY_LOOKS or len(set(looks[-STEADY_LOOKS:])) > 1:
        await asyncio.sleep(0.01)
        looks.append(holdings(launcher))
    return looks[-1]


async def returned(launcher: RunningLauncher, before: Holdings) -> None:
    """Wait until a launcher has what it had before; fail with what it has more or less."""
    try:
        await until(lambda: holdings(launcher) == before)
    except TimeoutError:
        after = holdings(launcher)
        changed = {kind: (was, now) for kind, was in vars(before).items() if (now := vars(after)[kind]) != was}
        raise AssertionError(f"before and after: {changed}, open: {_open_files(launcher)}") from None


def _launcher_pid(launcher: RunningLauncher) -> int | None:
    """Return the process that makes sandboxes. Without root, it is a child of the started one."""
    for pid in _pids():
        if (
            str(launcher.home) in (line := _text(Path("/proc", pid, "cmdline")))
            and "--inner" in line
            and "python" in _text(Path("/proc", pid, "comm"))
        ):
            return int(pid)
    return None


def _processes(launcher: RunningLauncher, pid: int | None) -> frozenset[str]:
    """Return all processes below the launcher, or with user ids that only its apps have."""
    below = descendants({int(one): parent_of(stat) for one in _pids() if (stat := _text(Path("/proc", one, "stat")))}, pid) if pid else ()
    return frozenset({*map(str, below), *(one for one in _pids() if _is_ours(launcher, one))})


def _is_ours(launcher: RunningLauncher, pid: str) -> bool:
    uid = int(next((line.split()[1] for line in _text(Path("/proc", pid, "status")).splitlines() if line.startswith("Uid:")), -1))
    if launcher.root:
        return launcher.uid_base <= uid < launcher.uid_base + UIDS_PER_PANEL
    return os.geteuid() == 0 and uid == launcher.panel_uid and str(launcher.base) not in _text(Path("/proc", pid, "cmdline"))


def _pids() -> list[str]:
    return [name for name in _names("/proc") if name.isdigit()]


def _links(launcher: RunningLauncher) -> frozenset[str]:
    prefix = f"sk{launcher.tag[:6]}x"
    return frozenset(name for name in _names("/sys/class/net") if name.startswith(prefix))


def _tables(launcher: RunningLauncher) -> frozenset[str]:
    """Return the nftables tables, except the blackhole's, which stays until the panel ends."""
    tables = _output("nft", "list", "tables").splitlines()
    return frozenset(line for line in tables if launcher.tag in line and not line.endswith(blackhole.table(launcher.plan)))


def _mounts(launcher: RunningLauncher, pid: int) -> tuple[str, ...]:
    """Return the launcher's own mounts. Of those that it inherited, the kernel takes away what others remove."""
    points = [line.split()[1] for line in _text(Path("/proc", str(pid), "mounts")).splitlines()]
    return tuple(sorted(point for point in points if point.startswith(f"{launcher.base}/") or launcher.tag in point))


def _open_files(launcher: RunningLauncher) -> list[str]:
    folder = Path("/proc", str(_launcher_pid(launcher)), "fd")
    return sorted(str((folder / name).readlink()) for name in _names(str(folder)) if (folder / name).is_symlink())


def _files(launcher: RunningLauncher) -> frozenset[str]:
    """Return disks and incomplete slugs. Complete slugs, caches and logs are meant to stay."""
    patterns = ("launcher/disks/*", "launcher/slugs/*/*.part")
    return frozenset(str(path.relative_to(launcher.home)) for pattern in patterns for path in launcher.home.glob(pattern))


def _names(folder: str) -> list[str]:
    """Return what is in a folder of /proc; nothing if its process has ended."""
    try:
        return [path.name for path in Path(folder).iterdir()]
    except FileNotFoundError:
        return []


def _output(*argv: str) -> str:
    return subprocess.run(argv, stdout=subprocess.PIPE, text=True, check=True).stdout


def _text(path: Path) -> str:
    try:
        return path.read_text(errors="replace")
    except OSError:
        return ""
