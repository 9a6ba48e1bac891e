"""Holding on to a claimed job, and letting go of one that was lost."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress

from skypanel.domain.errors import Unavailable

LEASE_S = 20.0
RENEW_EVERY_S = 5.0
# Whoever lets go of a job needs a moment for that: it begins while nobody else can have it yet.
LET_GO_S = 3.0

Renew = Callable[[], Awaitable[bool]]


class LeaseLost(Exception):
    """Another worker may have claimed the job: nothing more may be written for it."""


@asynccontextmanager
async def held(renew: Renew) -> AsyncIterator[None]:
    """Renew a lease every 5 s while the block runs; the block is cancelled before the lease ends, whyever it was not renewed.

    `renew` says whether the lease is still ours. A database that is away for a moment is asked again while the lease lasts;
    anything else ends the block at once. Raises LeaseLost, from what went wrong.
    """
    loop = asyncio.get_running_loop()

    async def keep() -> None:
        while True:
            await asyncio.sleep(RENEW_EVERY_S)
            asked_at = loop.time()
            with suppress(Unavailable):
                if not await renew():
                    return
                if not lease.expired():
                    lease.reschedule(asked_at + LEASE_S - LET_GO_S)

    def end(_: asyncio.Task[None]) -> None:
        if not lease.expired():
            lease.reschedule(loop.time())

    keeper = asyncio.create_task(keep())
    try:
        async with asyncio.timeout(LEASE_S - LET_GO_S) as lease:
            keeper.add_done_callback(end)
            try:
                yield
            finally:
                keeper.remove_done_callback(end)
                keeper.cancel()
                await asyncio.wait({keeper})
    except TimeoutError:
        if not lease.expired():
            raise
        failure = None if not keeper.done() or keeper.cancelled() else keeper.exception()
        raise LeaseLost from failure
