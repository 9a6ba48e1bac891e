"""Waits until an app has settled where the proxy does not reach it, and says so: `elsewhere.py PORT`.

Runs in the container, on the standard library of the stack's Python, beside `listening.py`, which is the launcher's.
"""

import os
import sys
import time
from pathlib import Path

# In the container it stands beside this script.
sys.path.insert(0, str(Path(__file__).parent))

import listening  # type: ignore[import-not-found]

POLL_S = 0.25
# Docker's own server of names, in each container.
RESOLVER = "127.0.0.11"


def main(port: int) -> None:
    """Return once the app listens elsewhere and does nothing more."""
    settling = listening.Settling()
    while not settling.has_settled(look := _look(port), time.monotonic()):
        time.sleep(POLL_S)
    said = look.complaint()
    print(said[0].upper() + said[1:])  # noqa: T201 - it is what this program is for


def _look(port: int) -> "listening.Look":
    found = frozenset(each for each in listening.listeners(port) if each.address != RESOLVER)
    return listening.Look(port, found, sum(_used(process) for process in Path("/proc").glob("[0-9]*")))


def _used(process: Path) -> float:
    """Return what a process of the app used of processors; the checks of its health are a session of their own."""
    try:
        stat = (process / "stat").read_text(errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return 0.0
    session = int(stat.rpartition(")")[2].split()[3])
    return 0.0 if session == os.getsid(0) else float(listening.cpu_s(stat))


if __name__ == "__main__":
    main(int(sys.argv[1]))
