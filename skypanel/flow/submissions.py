"""Idempotent forms: the same form, sent twice, has its effect once."""

import asyncio
from datetime import timedelta

from skypanel.domain.errors import Conflict
from skypanel.domain.submission import Submission
from skypanel.ports.panel import Panel
from skypanel.store import submissions

WAIT_S = 20.0
LOOK_EVERY_S = 0.1
KEPT = timedelta(days=1)


async def begin(panel: Panel, digest: str) -> Submission | None:
    """Begin to handle the form with this digest of its idempotency key; None if it is new.

    Otherwise waits until the first handler has finished, and returns what became of the form. Raises Conflict if that takes too long.
    """
    try:
        async with asyncio.timeout(WAIT_S):
            while True:
                async with panel.autocommit() as conn:
                    if await submissions.begin(conn, digest):
                        return None
                    before = await submissions.get(conn, digest)
                if before is not None and before.is_finished:
                    return before
                await asyncio.sleep(LOOK_EVERY_S)
    except TimeoutError as error:
        raise Conflict("This form was sent already and is still being handled.", "Wait, then reload the page.") from error


async def finish(panel: Panel, digest: str, location: str | None, message: str | None) -> None:
    """Record where the answer to a form led, and the message of the next page."""
    async with panel.autocommit() as conn:
        await submissions.finish(conn, digest, location, message)


async def forget(panel: Panel, digest: str) -> None:
    """Let a form that failed be sent again."""
    async with panel.autocommit() as conn:
        await submissions.forget(conn, digest)


async def sweep(panel: Panel) -> None:
    """Delete what was kept long enough."""
    async with panel.autocommit() as conn:
        await submissions.sweep(conn, panel.clock.now() - KEPT)
