"""Steps that run at the same time."""

import asyncio
from collections.abc import Coroutine

from skypanel.tasks import cancel


async def first_of(*steps: Coroutine[None, None, None]) -> None:
    """Run steps concurrently until one has ended, then cancel the others. Raises what the ended one raised."""
    tasks = {asyncio.create_task(step) for step in steps}
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        await cancel(tasks)
    for task in done:
        task.result()
