"""The output of builds and rollouts."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from typing import Protocol

from skypanel.domain.output import FIRST, Line, LineId, Stream

WriteLine = Callable[[str], Awaitable[None]]


class OutputWriter(Protocol):
    async def write(self, text: str) -> None:
        """Append a line; lines over 16 KiB are cut into several, and a flood is cut off with a note.

        Never fails for want of Redis: lines are spooled to disk and published when it is back.
        """
        ...


class Output(Protocol):
    """Streams of lines: written by one job, read by anyone, kept after the end."""

    def writer(self, stream: Stream, attempt: int) -> AbstractAsyncContextManager[OutputWriter]:
        """Open the stream for an attempt; leaving the block archives the lines and writes the end mark.

        Lines of an earlier attempt that come after this one's are dropped.
        """
        ...

    def read(self, stream: Stream, after: LineId = FIRST, idle_s: float = 15.0) -> AsyncIterator[Line]:
        """Yield the lines after `after`, from Redis or from the archive, until the end mark.

        Ends without an end mark after `idle_s` without a line: the caller looks at the database
        and reads on from the last line it got.
        """
        ...
