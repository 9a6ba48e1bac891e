"""Polls a log once for all its followers. A follower that is too slow continues with a reader of its own."""

import asyncio
import logging
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Protocol, Self

from skypanel.domain.errors import Unavailable
from skypanel.domain.log import LogLine, LogQuery
from skypanel.drivers.logs.matching import Matches

# How many batches a follower may lag behind. The followers share their lines in memory.
MAX_BATCHES = 10

log = logging.getLogger(__name__)


class Followed(Protocol):
    """A log and a read position."""

    def known(self, query: LogQuery, wanted: Matches) -> Sequence[LogLine]:
        """Return a page of the lines that were already read."""
        ...

    def fresh(self) -> Sequence[LogLine]:
        """Return the lines after the read position, and advance it."""
        ...

    def copy(self) -> Self:
        """Return a second reader at the same position. The caller closes it."""
        ...

    def close(self) -> None:
        """Close the reader."""
        ...


class Follower:
    """A follower. `reader` is its own reader, for use after `batches`. A batch of None means that reading failed."""

    def __init__(self) -> None:
        self.batches: asyncio.Queue[Sequence[LogLine] | None] = asyncio.Queue()
        self.reader: Followed | None = None


class Watch:
    """Polls a log every `poll_s` until its last follower leaves."""

    def __init__(self, followed: Followed, poll_s: float) -> None:
        self._followed = followed
        self._poll_s = poll_s
        self._looking = asyncio.Lock()
        self._followers: set[Follower] = set()
        self._registered: set[Follower] = set()

    @property
    def is_idle(self) -> bool:
        """Whether there is no follower: none that is joining, is served, or has a reader of its own."""
        return not self._registered

    def expect(self) -> Follower:
        """Return a follower that will join. It keeps the watch alive."""
        follower = Follower()
        self._registered.add(follower)
        return follower

    async def join(self, follower: Follower, query: LogQuery, wanted: Matches) -> Sequence[LogLine]:
        """Return a page of the known lines, and deliver all later lines to the follower."""
        # If a follower is cancelled meanwhile, the lines just read must still reach the others.
        return await asyncio.shield(asyncio.create_task(self._join(follower, query, wanted)))

    async def _join(self, follower: Follower, query: LogQuery, wanted: Matches) -> Sequence[LogLine]:
        async with self._looking:
            await self._look()
            if follower in self._registered:
                self._followers.add(follower)
            return await asyncio.to_thread(self._followed.known, query, wanted)

    def leave(self, follower: Follower) -> None:
        """Remove a follower and close its reader."""
        self._followers.discard(follower)
        self._registered.discard(follower)
        if follower.reader is not None:
            follower.reader.close()

    async def poll(self) -> None:
        """Poll until there is no follower or reading fails."""
        try:
            while not self.is_idle:
                await asyncio.sleep(self._poll_s)
                async with self._looking:
                    await self._look()
        except OSError:
            log.exception("a log cannot be followed")
            for each in self._registered:
                each.batches.put_nowait(None)
        finally:
            self._followed.close()

    async def _look(self) -> None:
        for slow in [each for each in self._followers if each.batches.qsize() >= MAX_BATCHES]:
            slow.reader = self._followed.copy()
            slow.batches.put_nowait(())
            self._followers.remove(slow)
        if found := await asyncio.to_thread(self._followed.fresh):
            for each in self._followers:
                each.batches.put_nowait(found)


class Watches:
    """The watches of an event loop, by key."""

    def __init__(self, poll_s: float) -> None:
        self._poll_s = poll_s
        self._watches: dict[object, tuple[Watch, asyncio.Task[None]]] = {}

    async def lines(
        self, key: object, query: LogQuery, wanted: Matches, begin: Callable[[], Awaitable[Followed]]
    ) -> AsyncGenerator[LogLine, None]:
        """Yield a page of a log, then new lines. `begin` opens it if there is no watch of `key` yet. Raises Unavailable."""
        async with self._followed(key, begin) as (watch, follower):
            for line in await watch.join(follower, query, wanted):
                yield line
            while follower.reader is None or not follower.batches.empty():
                batch = await follower.batches.get()
                if batch is None:
                    raise Unavailable("The log can no longer be followed.", "Request it again; the panel's log says why.")
                for line in filter(wanted, batch):
                    yield line
            while True:
                for line in filter(wanted, await asyncio.to_thread(follower.reader.fresh)):
                    yield line
                await asyncio.sleep(self._poll_s)

    @asynccontextmanager
    async def _followed(self, key: object, begin: Callable[[], Awaitable[Followed]]) -> AsyncIterator[tuple[Watch, Follower]]:
        if key in self._watches and self._watches[key][1].done():
            del self._watches[key]
        if key not in self._watches:
            followed = await begin()
            # Another follower may have opened it meanwhile.
            if key in self._watches:
                followed.close()
            else:
                watch = Watch(followed, self._poll_s)
                self._watches[key] = (watch, asyncio.create_task(watch.poll()))
        watch, task = self._watches[key]
        follower = watch.expect()
        try:
            yield watch, follower
        finally:
            watch.leave(follower)
            # The task notices and ends. The next follower starts a new watch.
            if watch.is_idle and self._watches.get(key) == (watch, task):
                del self._watches[key]
