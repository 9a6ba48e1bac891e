"""Reliable cancellation of tasks."""

import asyncio
from collections.abc import Collection
from typing import Any


async def cancel(tasks: Collection[asyncio.Task[Any]], again_s: float = 0.5) -> None:
    """Cancel tasks and return once all have ended.

    In Python 3.11, `wait_for` loses a cancellation that races with its result. So this repeats the cancellation every `again_s` seconds,
    which must be longer than the tasks' cleanup takes.
    """
    pending = {task for task in tasks if not task.done()}
    while pending:
        for task in pending:
            task.cancel()
        _, pending = await asyncio.wait(pending, timeout=again_s)
