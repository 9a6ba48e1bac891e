"""The running conversations of one listener."""

import asyncio
import logging
from collections.abc import Coroutine
from typing import Any, TypeVar

from gitreceiver.process import END_GRACE_S
from gitreceiver.session import Gone
from skypanel.tasks import cancel

T = TypeVar("T")

log = logging.getLogger(__name__)


class Conversations:
    """Tasks that end by themselves, even after their client has disconnected."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[Any]] = set()

    def begin(self, conversation: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        """Run a conversation as a task, and log its error if it fails."""
        task = asyncio.create_task(conversation)
        self._tasks.add(task)
        task.add_done_callback(self._conclude)
        return task

    async def close(self, grace_s: float) -> None:
        """Cancel the tasks that have not ended after `grace_s` seconds, and return when all have ended."""
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=grace_s)
        await cancel(self._tasks, again_s=2 * END_GRACE_S)

    def _conclude(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        error = None if task.cancelled() else task.exception()
        if error and not isinstance(error, Gone):
            log.error("a conversation failed", exc_info=error)
