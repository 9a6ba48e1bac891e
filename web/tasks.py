"""Steps that run at the same time."""

import asyncio
from collections.abc import Coroutine


async def first_of(*steps: Coroutine[None, None, None]) -> None:
    """Run steps concurrently until one has ended, then cancel the others. Raises what the ended one raised."""
    tasks = {asyncio.create_task(step) for step in steps}
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        await end(tasks)
    for task in done:
        task.result()


async def end(tasks: set[asyncio.Task[None]]) -> None:
    """Cancel tasks and wait until they have ended."""
    ending = set(tasks)
    for task in ending:
        task.cancel()
    if ending:
        await asyncio.wait(ending)
