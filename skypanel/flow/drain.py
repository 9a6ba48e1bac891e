"""Working on what can be claimed until nothing is left."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, TypeVar

from skypanel.domain.errors import SkyPanelError

# A job that comes while others run has a wake-up that waits behind them: look for it.
POLL_S = 0.5

T = TypeVar("T")

log = logging.getLogger(__name__)


async def drain(claim: Callable[[], Awaitable[T | None]], perform: Callable[[T], Coroutine[Any, Any, None]], at_once: int) -> None:
    """Claim jobs and perform up to `at_once` of them side by side, until none waits and none runs.

    A job that raises is logged and ends alone. Being cancelled cancels all that run.
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
        await asyncio.gather(*running, return_exceptions=True)


async def _claimed(claim: Callable[[], Awaitable[T | None]]) -> T | None:
    """Return a job, or None also where claiming fails: what runs must not end for it, and the schedule looks again."""
    try:
        return await claim()
    except SkyPanelError:
        log.exception("no job could be claimed")
        return None
