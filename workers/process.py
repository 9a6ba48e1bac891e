"""One event loop and one open panel for each process of a worker's pool."""

import asyncio
import ctypes
import gc
import logging
import os
import signal
import socket
import threading
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

from billiard import active_children
from celery import signals

from skypanel.ports import Panel
from workers.alone import alone

# Celery waits for running jobs without an end. They are cancelled after this, in time for whoever stops the worker.
SHUTDOWN_GRACE_S = 3.0
QUIET_LOGGERS = ("celery.app.trace", "celery.worker.strategy", "celery.beat")
PR_SET_PDEATHSIG = 1

log = logging.getLogger(__name__)


@dataclass
class _Opened:
    runner: asyncio.Runner
    panel: Panel
    stack: AsyncExitStack
    worker: str


class PanelProcess:
    """Runs jobs of flow in whichever process of the pool Celery calls it."""

    def __init__(self, open_panel: Callable[[], AbstractAsyncContextManager[Panel]], locks: Callable[[], Path]) -> None:
        self._open_panel = open_panel
        self._locks = locks
        self._opened: _Opened | None = None

    def connect(self) -> None:
        """Follow the life of Celery's processes."""
        signals.after_setup_logger.connect(_quieten, weak=False)
        signals.worker_init.connect(_share_memory, weak=False)
        signals.worker_process_init.connect(self._open, weak=False)
        signals.worker_process_shutdown.connect(self._close, weak=False)
        signals.beat_embedded_init.connect(_end_with_parent, weak=False)
        signals.worker_shutting_down.connect(_cancel_jobs_later, weak=False)

    def run(self, job: Callable[[Panel, str], Awaitable[None]]) -> bool:
        """Run a job to its end, or until a shutdown cancels it, and say which."""
        opened = self._opened
        assert opened is not None, "jobs run in a worker's pool only"  # noqa: S101 - Celery opened it before
        handler = signal.getsignal(signal.SIGTERM)
        try:
            opened.runner.run(_cancelled_by_sigterm(job(opened.panel, opened.worker)))
        except asyncio.CancelledError:
            log.warning("a job was cancelled, as the worker shuts down")
            return False
        finally:
            signal.signal(signal.SIGTERM, handler)
        return True

    def run_alone(self, name: str, job: Callable[[Panel, str], Awaitable[None]]) -> None:
        """Run a job unless another process of this machine does; that one runs it once more then."""
        wanted = self._locks() / f"{name}.wanted"
        wanted.touch()
        while wanted.exists():
            with alone(wanted.with_suffix(".lock")) as mine:
                if not mine:
                    return
                wanted.unlink()
                if not self.run(job):
                    return

    def _open(self, **_: object) -> None:
        _end_with_parent()
        runner, stack = asyncio.Runner(), AsyncExitStack()
        panel = runner.run(stack.enter_async_context(self._open_panel()))
        self._opened = _Opened(runner, panel, stack, f"{socket.gethostname()}:{os.getpid()}")

    def _close(self, **_: object) -> None:
        if self._opened is not None:
            opened, self._opened = self._opened, None
            opened.runner.run(opened.stack.aclose())
            opened.runner.close()


async def _cancelled_by_sigterm(job: Awaitable[None]) -> None:
    loop, task = asyncio.get_running_loop(), asyncio.ensure_future(job)
    # Once only: a second cancellation would cut the job's own cleaning up short.
    loop.add_signal_handler(signal.SIGTERM, lambda: task.cancelling() or task.cancel())
    try:
        await task
    finally:
        loop.remove_signal_handler(signal.SIGTERM)


def _cancel_jobs_later(**_: object) -> None:
    timer = threading.Timer(SHUTDOWN_GRACE_S, _cancel_jobs)
    timer.daemon = True
    timer.start()


def _cancel_jobs() -> None:
    for child in active_children():
        child.terminate()


def _share_memory(**_: object) -> None:
    """Keep the garbage collector's hands off what is there before the fork, so that its pages stay shared."""
    gc.collect()
    gc.freeze()


def _end_with_parent(**_: object) -> None:
    """Have the kernel end this process when the worker that forked it is killed (prctl(2))."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def _quieten(**_: object) -> None:
    """Leave the coming and going of periodic jobs out of the log; failures are errors and stay."""
    for name in QUIET_LOGGERS:
        logging.getLogger(name).setLevel(logging.WARNING)
