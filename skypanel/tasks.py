"""Tasks that run together, and their reliable cancellation."""

import asyncio
from collections.abc import Awaitable, Collection
from typing import Any, TypeVar, overload

T = TypeVar("T")
U = TypeVar("U")


@overload
async def together(one: Awaitable[T], other: Awaitable[U], /) -> tuple[T, U]: ...


@overload
async def together(*work: Awaitable[T]) -> tuple[T, ...]: ...


async def together(*work: Awaitable[Any]) -> tuple[Any, ...]:
    """Await all of it concurrently, and return their results in order.

    The first error cancels the others. It is raised once they have ended, as itself and not in a group; a cancellation comes before it.
    """
    before = cancellations()
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(_result(each)) for each in work]
            if tasks:
                # Python 3.11 cancels this task to wake it here, and takes that back only if it was not waiting in the group's own end.
                await asyncio.wait(tasks)
    except BaseExceptionGroup as errors:
        # A task group drops its own cancellation if one of its tasks fails.
        if cancellations() > before:
            raise asyncio.CancelledError from errors
        raise errors.exceptions[0] from errors.exceptions[0].__cause__
    return tuple(task.result() for task in tasks)


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


def cancellations() -> int:
    """Return how many cancellations of the current task are pending."""
    task = asyncio.current_task()
    return task.cancelling() if task else 0


async def _result(work: Awaitable[T]) -> T:
    return await work
