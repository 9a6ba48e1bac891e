"""The memory of an idle panel: each process counts its own pages, and its share of those it has in common with others (PSS)."""

import time
from collections import defaultdict
from pathlib import Path

from tests.bench.figures import Figure
from tests.bench.stage import Stage
from tests.journeys.harness import new_panel

SETTLED_S = 60.0
MIB = 1024  # KiB
# What tells a kind of process, in its arguments; its children are of the same kind.
KINDS = {
    "skypanel.launcher": "launcher",
    "skypanel.embedded.supervisord": "supervisord",
    "bin/postgres": "postgres",
    "valkey-server": "valkey",
    "bin/traefik": "traefik",
    "receiver": "receiver",
    "web": "web",
    "worker": "worker",
    "schedule": "worker",
}


def idle(_stage: Stage) -> list[Figure]:
    """Start a panel of its own, leave it alone, and look at all that `up` has started."""
    with new_panel() as panel:
        panel.up()
        time.sleep(SETTLED_S)
        kinds = by_kind(panel.process.pid)
    rows = [Figure(f"idle.memory.{kind}", round(kib / MIB, 1), "MiB") for kind, kib in sorted(kinds.items())]
    return [Figure("idle.memory", round(sum(kinds.values()) / MIB, 1), "MiB"), *rows]


def by_kind(up: int) -> dict[str, int]:
    """Return the KiB of `up` and of its descendants, by kind."""
    return {kind: sum(map(pss_kib, pids)) for kind, pids in processes(up).items()}


def processes(up: int) -> dict[str, list[int]]:
    """Return `up` and all that came of it, by kind."""
    children = _children()
    kinds: dict[str, list[int]] = defaultdict(list)
    waiting = [(up, "up")]
    while waiting:
        pid, parents = waiting.pop()
        kind = parents if pid == up else _kind(pid) or parents
        kinds[kind].append(pid)
        waiting += [(child, kind) for child in children[pid]]
    return dict(kinds)


def descendants(up: int) -> list[int]:
    """Return `up` and all that came of it."""
    children = _children()
    found = [up]
    for pid in found:
        found += children[pid]
    return found


def _children() -> dict[int, list[int]]:
    found: dict[int, list[int]] = defaultdict(list)
    for stat in Path("/proc").glob("[1-9]*/stat"):
        try:
            # The name, in brackets, may hold anything (proc(5)).
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        found[int(fields[1])].append(int(stat.parent.name))
    return found


def _kind(pid: int) -> str | None:
    # Some write their arguments anew, as one (setproctitle).
    arguments = Path(f"/proc/{pid}/cmdline").read_text().replace("\0", " ").split()
    return next((kind for mark, kind in KINDS.items() if any(part == mark or part.endswith(f"/{mark}") for part in arguments)), None)


def pss_kib(pid: int) -> int:
    """Return the KiB of one process."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("Pss:"))
