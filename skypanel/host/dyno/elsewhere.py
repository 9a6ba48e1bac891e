"""Waits until an app has settled where the proxy does not reach it, and prints so: `elsewhere.py PORT`.

Runs in the container with the stack's Python and its standard library. `listening.py` of the launcher is in the same folder.
"""

import os
import sys
import time
from pathlib import Path

# In the container, `listening.py` is in the folder of this script.
sys.path.insert(0, str(Path(__file__).parent))

import listening  # type: ignore[import-not-found]

POLL_S = 0.25
# Docker's DNS server in each container.
RESOLVER = "127.0.0.11"


def main(port: int) -> None:
    """Return once the app listens elsewhere and is idle."""
    settling = listening.Settling()
    while not settling.has_settled(look := _look(port), time.monotonic()):
        time.sleep(POLL_S)
    said = look.complaint()
    print(said[0].upper() + said[1:])  # noqa: T201 - the output of this program


def _look(port: int) -> "listening.PortSnapshot":
    found = frozenset(each for each in listening.listeners(port) if each.address != RESOLVER)
    return listening.PortSnapshot(port, found, sum(_used(process) for process in Path("/proc").glob("[0-9]*")))


def _used(process: Path) -> float:
    """Return the CPU time of a process of the app, in seconds. Health checks run in their own session and count as 0."""
    try:
        stat = (process / "stat").read_text(errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return 0.0
    session = int(stat.rpartition(")")[2].split()[3])
    return 0.0 if session == os.getsid(0) else float(listening.cpu_s(stat))


if __name__ == "__main__":
    main(int(sys.argv[1]))
