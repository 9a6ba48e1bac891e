"""Output of builds and rollouts."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from typing import Protocol

from skypanel.domain.output import FIRST, Line, LineId, Stream

WriteLine = Callable[[str], Awaitable[None]]


class OutputWriter(Protocol):
    async def write(self, text: str) -> None:
        """Append a line. Lines over 16 KiB are split, and too many lines are cut off with a note.

        An unreachable Redis is no error: lines are spooled to disk, and published later.
        """
        ...


class Output(Protocol):
    """Streams of lines. One job writes each stream, anyone reads it, and it is kept after its end."""

    def writer(self, stream: Stream, attempt: int) -> AbstractAsyncContextManager[OutputWriter]:
        """Open a stream for an attempt. The end of the block archives the lines and writes the end mark.

        Lines of an earlier attempt that arrive after this one's are dropped.
        """
        ...

    def read(self, stream: Stream, after: LineId = FIRST, idle_s: float = 15.0) -> AsyncIterator[Line]:
        """Yield the lines after `after`, from Redis or from the archive, until the end mark.

        Ends without an end mark after `idle_s` seconds without a line. The caller should check the database, and resume from its last line.
        """
        ...
