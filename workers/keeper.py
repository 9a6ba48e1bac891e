"""The parent of a worker's processes: waits for them, and forwards signals to stop.

A separate program that uses little memory. `workers.run` replaces itself with it after forking all processes. It replaces itself with
`workers.run` again to restart one that ended. Both block signals, so none is lost in between.
"""

import os
import signal
import sys
from collections.abc import Mapping, Sequence
from typing import NoReturn

STOPS = (signal.SIGTERM, signal.SIGINT)
HEARD = (*STOPS, signal.SIGCHLD)
# Pause before a process that ended unasked is restarted.
PAUSE_S = 1.0


def keep(running: Mapping[str, int]) -> Mapping[str, int] | None:
    """Wait for processes, by name. If some end unasked, return the others; once all were told to stop, return None."""
    while len(left := {name: pid for name, pid in running.items() if not os.waitpid(pid, os.WNOHANG)[0]}) == len(running):
        number = signal.sigwait(HEARD)
        if number in STOPS:
            _stop(left, number)
            return None
    received = signal.sigtimedwait(STOPS, PAUSE_S)
    if received is None:
        return left
    _stop(left, received.si_signo)
    return None


def become(module: str, arguments: Sequence[str]) -> NoReturn:
    """Replace this process with another program of the worker. It keeps the process id, and so the children."""
    os.execv(sys.executable, [sys.executable, "-m", module, *arguments])  # noqa: S606 - it is one of ours


def marks(running: Mapping[str, int]) -> list[str]:
    """Return processes as arguments that `read` parses."""
    return [f"{name}={pid}" for name, pid in running.items()]


def read(text: Sequence[str]) -> dict[str, int]:
    """Parse arguments such as worker=1234 into process ids by name."""
    return {name: int(pid) for name, _, pid in (mark.partition("=") for mark in text)}


def _stop(running: Mapping[str, int], number: int) -> None:
    for pid in running.values():
        os.kill(pid, number)
    for pid in running.values():
        os.waitpid(pid, 0)


def main() -> None:
    """Wait for the processes in the arguments before `--`. After it come the program that restarts one, and its arguments."""
    split = sys.argv.index("--")
    left = keep(read(sys.argv[1:split]))
    if left is not None:
        program, *arguments = sys.argv[split + 1 :]
        become(program, [*arguments, "--running", *marks(left)])


if __name__ == "__main__":
    main()
