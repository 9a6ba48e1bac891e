"""One event loop and one open panel per worker process. Celery's threads run their jobs there."""

import asyncio
import logging
import os
import socket
import threading
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import CancelledError
from contextlib import AbstractAsyncContextManager, AsyncExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from celery import signals

from skypanel.ports.panel import Panel
from workers.alone import alone

# Celery waits for running jobs without a limit. They are cancelled after this time, before the supervisor kills the worker.
SHUTDOWN_GRACE_S = 3.0
QUIET_LOGGERS = ("celery.app.trace", "celery.worker.strategy", "celery.beat")

Job = Callable[[Panel, str], Awaitable[None]]

log = logging.getLogger(__name__)


@dataclass
class _Opened:
    loop: asyncio.AbstractEventLoop
    panel: Panel
    worker: str
    jobs: set[asyncio.Task[None]] = field(default_factory=set)

    async def run(self, job: Job) -> None:
        task = asyncio.ensure_future(job(self.panel, self.worker))
        self.jobs.add(task)
        try:
            await task
        finally:
            self.jobs.discard(task)

    def cancel(self) -> None:
        # Once only: a second cancellation would interrupt a job's cleanup.
        for task in self.jobs:
            task.cancelling() or task.cancel()


class PanelProcess:
    """Runs jobs of flow on the panel's event loop, called from any of Celery's threads."""

    def __init__(
        self, open_panel: Callable[[], AbstractAsyncContextManager[Panel]], locks: Callable[[], Path], prepare: Callable[[], object] = tuple
    ) -> None:
        self._open_panel = open_panel
        self._locks = locks
        self._opened: _Opened | None = None
        # Imports what `open_panel` needs. Runs before a fork, so that processes share that memory.
        self.prepare = prepare

    @contextmanager
    def opened(self) -> Iterator[None]:
        """Hold the panel open while the block runs, and follow the signals of the Celery worker that runs in it."""
        signals.after_setup_logger.connect(_quieten, weak=False)
        signals.worker_shutting_down.connect(self._cancel_jobs_later, weak=False)
        with asyncio.Runner() as runner:
            loop, stack = runner.get_loop(), AsyncExitStack()
            panel = runner.run(stack.enter_async_context(self._open_panel()))
            self._opened = _Opened(loop, panel, f"{socket.gethostname()}:{os.getpid()}")
            thread = threading.Thread(target=loop.run_forever, name="panel")
            thread.start()
            try:
                yield
            finally:
                loop.call_soon_threadsafe(loop.stop)
                thread.join()
                self._opened = None
                runner.run(stack.aclose())

    def run(self, job: Job) -> bool:
        """Run a job to its end. Return False if a shutdown cancelled it."""
        opened = self._opened
        assert opened is not None, "jobs run while the panel is open only"  # noqa: S101 - Celery runs within the block
        try:
            asyncio.run_coroutine_threadsafe(opened.run(job), opened.loop).result()
        except CancelledError:
            log.warning("a job was cancelled, as the worker shuts down")
            return False
        return True

    def run_alone(self, name: str, job: Job) -> None:
        """Run a job, unless a process or thread of this machine is running it; then that one runs it once more."""
        marker = self._locks() / f"{name}.wanted"
        marker.touch()
        while marker.exists():
            with alone(marker.with_suffix(".lock")) as mine:
                if not mine:
                    return
                marker.unlink()
                if not self.run(job):
                    return

    def _cancel_jobs_later(self, **_: object) -> None:
        timer = threading.Timer(SHUTDOWN_GRACE_S, self._cancel_jobs)
        timer.daemon = True
        timer.start()

    def _cancel_jobs(self) -> None:
        if self._opened is not None:
            self._opened.loop.call_soon_threadsafe(self._opened.cancel)


def _quieten(**_: object) -> None:
    """Keep routine messages about periodic jobs out of the log. Failures are errors and stay."""
    for name in QUIET_LOGGERS:
        logging.getLogger(name).setLevel(logging.WARNING)
