"""Suspends processes, so that they neither answer nor refuse."""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.journeys.harness import wait_for


@contextmanager
def suspended(*processes: int) -> Iterator[None]:
    """Suspend processes during the block."""
    for process in processes:
        suspend(process)
    try:
        yield
    finally:
        for process in processes:
            os.kill(process, signal.SIGCONT)


def suspend(process: int) -> None:
    """Suspend a process, and return once all of its threads stand still.

    The kernel hands the signal to one thread. Until that thread has its turn, the others still answer.
    """
    os.kill(process, signal.SIGSTOP)
    wait_for(f"process {process} to stand still", lambda: _stands_still(process))


def _stands_still(process: int) -> bool:
    # Each thread's state follows its name, which is in parentheses (proc(5)).
    states = (stat.read_text().rpartition(")")[2].split()[0] for stat in Path(f"/proc/{process}/task").glob("*/stat"))
    try:
        return all(state == "T" for state in states)
    except OSError:  # a thread ended meanwhile
        return False
