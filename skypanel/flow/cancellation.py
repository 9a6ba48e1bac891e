"""Stops work on a job once somebody cancels it."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress

from skypanel.domain.errors import Conflict, Unavailable

POLL_S = 1.0

# Returns why the job is cancelled, or None if it is not.
Reason = Callable[[], Awaitable[str | None]]


@asynccontextmanager
async def until_cancelled(reason: Reason) -> AsyncIterator[None]:
    """Run the block until somebody cancels the job. Then end the block within a second, and raise Conflict with the reason.

    While the database does not answer, nobody can cancel.
    """
    loop = asyncio.get_running_loop()

    async def watch() -> str:
        while True:
            with suppress(Unavailable):
                if (found := await reason()) is not None:
                    scope.reschedule(loop.time())
                    return found
            await asyncio.sleep(POLL_S)

    try:
        async with asyncio.timeout(None) as scope:
            watching = asyncio.create_task(watch())
            try:
                yield
            finally:
                watching.cancel()
                await asyncio.wait({watching})
    except TimeoutError:
        if not scope.expired():
            raise
        raise Conflict(watching.result()) from None
