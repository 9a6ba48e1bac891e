"""Shields work that must complete, such as cleanup, from cancellation."""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

_T = TypeVar("_T")


async def complete_despite_cancel(work: Coroutine[Any, Any, _T]) -> _T:
    """Return what `work` returns. If the caller is cancelled meanwhile, CancelledError is raised after the work is done."""
    task = asyncio.create_task(work)
    cancelled: asyncio.CancelledError | None = None
    while not task.done():
        try:
            await asyncio.shield(task)
        except asyncio.CancelledError as error:
            cancelled = error
    if cancelled is not None:
        raise cancelled
    return task.result()


async def cancel_and_wait(*tasks: asyncio.Task[Any]) -> None:
    """Cancel tasks and wait for their end. Their results and errors are ignored."""
    for task in tasks:
        task.cancel()
    await complete_despite_cancel(_all_done(tasks))


async def _all_done(tasks: tuple[asyncio.Task[Any], ...]) -> None:
    await asyncio.wait(tasks)
