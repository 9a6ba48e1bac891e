"""What stays of the parent of a worker's processes: it waits for them, and tells them to stop.

It is a program of its own that holds next to nothing in memory: `workers.run` becomes it once all are forked, and it becomes
that again to have one forked anew that ended unasked. Signals are blocked in both, so that none is missed in between.
"""

import os
import signal
import sys
from collections.abc import Mapping, Sequence
from typing import NoReturn

STOPS = (signal.SIGTERM, signal.SIGINT)
HEARD = (*STOPS, signal.SIGCHLD)
# Between the end of a process that was not asked to end and the start of its successor.
PAUSE_S = 1.0


def keep(running: Mapping[str, int]) -> Mapping[str, int] | None:
    """Wait for the end of processes, by name; return those that still run when some ended unasked, None once all were told to stop."""
    while len(left := {name: pid for name, pid in running.items() if not os.waitpid(pid, os.WNOHANG)[0]}) == len(running):
        number = signal.sigwait(HEARD)
        if number in STOPS:
            _stop(left, number)
            return None
    told = signal.sigtimedwait(STOPS, PAUSE_S)
    if told is None:
        return left
    _stop(left, told.si_signo)
    return None


def become(module: str, arguments: Sequence[str]) -> NoReturn:
    """Be another program of the worker's, under the same process id: the parent of the same children."""
    os.execv(sys.executable, [sys.executable, "-m", module, *arguments])  # noqa: S606 - it is one of ours


def marks(running: Mapping[str, int]) -> list[str]:
    """Return what `read` reads."""
    return [f"{name}={pid}" for name, pid in running.items()]


def read(text: Sequence[str]) -> dict[str, int]:
    """Return the processes of such words as worker=1234."""
    return {name: int(pid) for name, _, pid in (mark.partition("=") for mark in text)}


def _stop(running: Mapping[str, int], number: int) -> None:
    for pid in running.values():
        os.kill(pid, number)
    for pid in running.values():
        os.waitpid(pid, 0)


def main() -> None:
    """Keep the processes of the arguments before `--`; after it comes what to become to fork one anew, and with which arguments."""
    split = sys.argv.index("--")
    left = keep(read(sys.argv[1:split]))
    if left is not None:
        program, *told = sys.argv[split + 1 :]
        become(program, [*told, "--running", *marks(left)])


if __name__ == "__main__":
    main()
