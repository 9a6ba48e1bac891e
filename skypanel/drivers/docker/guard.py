"""The panel's end of a workspace's guard: what the guard measures."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass

from skypanel.domain.errors import Unavailable
from skypanel.domain.limits import BYTES_PER_FILE, Limits
from skypanel.drivers.docker.attach import Streams
from skypanel.host.lines import LineSplitter
from skypanel.host.overrun import Overrun

READY_S = 60
ANSWER_S = 60
ASK_AGAIN_S = 2


@dataclass(frozen=True)
class DiskUsage:
    """The disk usage of a workspace. `asked` is the last question that the guard read before it measured."""

    asked: int
    size_bytes: int
    files: int
    cache_bytes: int

    def over(self, limits: Limits) -> Overrun | None:
        """Return the limit that the usage exceeds, or None."""
        if self.size_bytes > limits.disk_bytes or self.files > limits.disk_bytes // BYTES_PER_FILE:
            return Overrun.DISK
        return Overrun.CACHE if self.cache_bytes > limits.cache_room_bytes else None


def parse(line: str) -> DiskUsage | None:
    """Return the figures of a line, or None if a measurement failed."""
    words = line.split()
    return DiskUsage(*map(int, words)) if len(words) == 4 and all(word.isdigit() for word in words) else None  # noqa: PLR2004 - as DiskUsage has


class Guard:
    """Reads what the guard prints. The guard ends with the connection."""

    def __init__(self, streams: Streams, limits: Limits) -> None:
        self._streams = streams
        self._limits = limits
        self._lines = _lines(streams)
        self._asked = 0
        self._usage: DiskUsage | None = None
        self._changed = asyncio.Condition()
        self._is_closed = False

    async def ready(self) -> None:
        """Wait until the guard has applied its rules. Raises Unavailable."""
        printed: list[str] = []
        try:
            async with asyncio.timeout(READY_S):
                async for line in self._lines:
                    if line == "ready":
                        return
                    printed.append(line)
        except TimeoutError:
            printed.append("it did not begin in time")
        raise Unavailable(f"A build's network could not be isolated: {' '.join(printed) or 'its guard ended'}.", "Run: skypanel doctor")

    @property
    def cache_bytes(self) -> int:
        """The size of the cache at the last measurement; 0 before the first one."""
        return 0 if self._usage is None else self._usage.cache_bytes

    async def overrun(self) -> Overrun:
        """Wait until the disk or the cache is full. Raises Unavailable if the guard ends."""
        async for line in self._lines:
            usage = parse(line)
            if usage is None:
                continue
            async with self._changed:
                self._usage = usage
                self._changed.notify_all()
            if over := usage.over(self._limits):
                return over
        raise _lost()

    async def forget(self) -> None:
        """Make `over_now` raise Unavailable from now on."""
        async with self._changed:
            self._is_closed = True
            self._changed.notify_all()

    async def over_now(self) -> Overrun | None:
        """Measure now and return the exceeded limit, or None. Works only while `overrun` runs. Raises Unavailable if the guard ends."""
        self._asked += 1
        try:
            async with asyncio.timeout(ANSWER_S):
                while not self._answered():
                    await self._ask()
        except (TimeoutError, ConnectionError) as error:
            raise _lost() from error
        if self._is_closed or self._usage is None:
            raise _lost()
        return self._usage.over(self._limits)

    def _answered(self) -> bool:
        return self._is_closed or (self._usage is not None and self._usage.asked >= self._asked)

    async def _ask(self) -> None:
        """Ask, and wait briefly for the answer. Bash loses input that arrives just when `read` times out, so the caller repeats it."""
        await self._streams.write(b"%d\n" % self._asked)
        with suppress(TimeoutError):
            async with asyncio.timeout(ASK_AGAIN_S), self._changed:
                await self._changed.wait_for(self._answered)


async def _lines(streams: Streams) -> AsyncIterator[str]:
    splitter = LineSplitter()
    async for _, chunk in streams.frames():
        for line in splitter.feed(chunk):
            yield line


def _lost() -> Unavailable:
    return Unavailable("Docker stopped a build's guard.", "Check that its daemon is running (`systemctl status docker`), then push again.")
