"""Ending tasks for certain."""

import asyncio
from collections.abc import Collection
from typing import Any


async def cancel(tasks: Collection[asyncio.Task[Any]], again_s: float = 0.5) -> None:
    """Cancel tasks and return once all have ended.

    Python 3.11's `wait_for` loses a cancellation that meets its result, so it is repeated after
    `again_s`, which is to be longer than the tasks take to clean up.
    """
    pending = {task for task in tasks if not task.done()}
    while pending:
        for task in pending:
            task.cancel()
        _, pending = await asyncio.wait(pending, timeout=again_s)
