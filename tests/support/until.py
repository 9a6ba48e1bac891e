import asyncio
import inspect

WITHIN_S = 20


async def until(condition, within_s=WITHIN_S):
    """Wait until `condition()` is true, and return its value. An awaitable is awaited."""
    async with asyncio.timeout(within_s):
        while True:
            found = condition()
            if inspect.isawaitable(found):
                found = await found
            if found:
                return found
            await asyncio.sleep(0.01)
