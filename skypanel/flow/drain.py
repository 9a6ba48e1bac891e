"""Runs jobs until there are none to claim."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, TypeVar

from skypanel.domain.errors import SkyPanelError

# The wake-up of a job that arrives meanwhile waits behind the running jobs, so look for jobs this often.
POLL_S = 0.5

T = TypeVar("T")

log = logging.getLogger(__name__)


async def drain(claim: Callable[[], Awaitable[T | None]], perform: Callable[[T], Coroutine[Any, Any, None]], at_once: int) -> None:
    """Claim jobs and run up to `at_once` of them concurrently, until none waits and none runs.

    If a job raises, the error is logged and the others continue. Cancellation cancels all running jobs.
    """
    running: set[asyncio.Task[None]] = set()
    try:
        while True:
            while len(running) < at_once and (job := await _claimed(claim)) is not None:
                running.add(asyncio.create_task(perform(job)))
            if not running:
                return
            done, running = await asyncio.wait(running, timeout=POLL_S, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                if not task.cancelled() and (error := task.exception()):
                    log.error("a job failed", exc_info=error)
    finally:
        for task in running:
            task.cancel()
        if running:
            await asyncio.wait(running)


async def _claimed(claim: Callable[[], Awaitable[T | None]]) -> T | None:
    """Return a job, or None if there is none or the claim fails: a failure must not end running jobs, and the schedule tries again."""
    try:
        return await claim()
    except SkyPanelError:
        log.exception("no job could be claimed")
        return None
