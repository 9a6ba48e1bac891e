"""Leases: renew that of a claimed job, and stop work on a job whose lease is lost."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress

from skypanel.domain.errors import Unavailable

LEASE_S = 20.0
RENEW_EVERY_S = 5.0
# A worker needs a moment to stop, so it begins before another worker can claim the job.
RELEASE_MARGIN_S = 3.0

Renew = Callable[[], Awaitable[bool]]


class LeaseLost(Exception):
    """Another worker may have claimed the job: this one must write nothing more for it."""


@asynccontextmanager
async def held(renew: Renew) -> AsyncIterator[None]:
    """Renew a lease every 5 s while the block runs; cancel the block before the lease ends if it was not renewed.

    `renew` returns whether the lease is still ours. If the database is unreachable, the renewal is retried while the lease lasts; any other
    error ends the block at once. Raises LeaseLost, with the error as its cause.
    """
    loop = asyncio.get_running_loop()

    async def renew_regularly() -> None:
        while True:
            await asyncio.sleep(RENEW_EVERY_S)
            began_at = loop.time()
            with suppress(Unavailable):
                if not await renew():
                    return
                if not lease.expired():
                    lease.reschedule(began_at + LEASE_S - RELEASE_MARGIN_S)

    def end(_: asyncio.Task[None]) -> None:
        if not lease.expired():
            lease.reschedule(loop.time())

    renewing = asyncio.create_task(renew_regularly())
    try:
        async with asyncio.timeout(LEASE_S - RELEASE_MARGIN_S) as lease:
            renewing.add_done_callback(end)
            try:
                yield
            finally:
                renewing.remove_done_callback(end)
                renewing.cancel()
                await asyncio.wait({renewing})
    except TimeoutError:
        if not lease.expired():
            raise
        failure = None if not renewing.done() or renewing.cancelled() else renewing.exception()
        raise LeaseLost from failure
