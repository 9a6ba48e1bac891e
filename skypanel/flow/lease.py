"""Holding on to a claimed job, and letting go of one that was lost."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress

from skypanel.domain.errors import Unavailable

LEASE_S = 20.0
RENEW_EVERY_S = 5.0

Renew = Callable[[], Awaitable[bool]]


class LeaseLost(Exception):
    """Another worker may have claimed the job: nothing more may be written for it."""


@asynccontextmanager
async def held(renew: Renew) -> AsyncIterator[None]:
    """Renew a lease every 5 s while the block runs; the block is cancelled once the lease is lost.

    `renew` says whether the lease is still ours. A database that is away for a moment is
    waited for as long as the lease lasts. Raises LeaseLost.
    """
    body = asyncio.current_task()
    lost = asyncio.Event()

    async def keep() -> None:
        loop = asyncio.get_running_loop()
        valid_until = loop.time() + LEASE_S
        while loop.time() < valid_until:
            await asyncio.sleep(RENEW_EVERY_S)
            with suppress(Unavailable):
                if not await renew():
                    break
                valid_until = loop.time() + LEASE_S
        lost.set()
        if body is not None:
            body.cancel()

    keeper = asyncio.create_task(keep())
    try:
        yield
    except asyncio.CancelledError:
        if not lost.is_set():
            raise
        if body is not None:
            body.uncancel()
        raise LeaseLost from None
    finally:
        keeper.cancel()
        with suppress(asyncio.CancelledError):
            await keeper
