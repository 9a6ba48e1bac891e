import asyncio
import inspect

WITHIN_S = 60
# Some conditions ask a daemon, which would have little else to do.
MIN_PAUSE_S, MAX_PAUSE_S = 0.01, 0.1


async def until(condition, within_s=WITHIN_S):
    """Wait until `condition()` is true, and return its value. An awaitable is awaited."""
    pause_s = MIN_PAUSE_S
    async with asyncio.timeout(within_s):
        while True:
            found = condition()
            if inspect.isawaitable(found):
                found = await found
            if found:
                return found
            await asyncio.sleep(pause_s)
            pause_s = min(2 * pause_s, MAX_PAUSE_S)
