"""One look at a log for all who follow it: its new lines go to each, and who is too slow for that goes on by itself."""

import asyncio
import logging
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Protocol, Self

from skypanel.domain.errors import Unavailable

# So many looks a follower may be behind; their lines are in memory once for all of them.
MAX_BATCHES = 10

log = logging.getLogger(__name__)


class Followed(Protocol):
    """What is followed, and how far it was read."""

    def known(self, lines: int) -> Sequence[str]:
        """Return the last lines of what was read."""
        ...

    def fresh(self) -> Sequence[str]:
        """Return the lines after those."""
        ...

    def copy(self) -> Self:
        """Return another that was read as far, to be closed by itself."""
        ...

    def close(self) -> None:
        """Let go of it."""
        ...


class Follower:
    """One who follows; `alone` is where they go on by themselves once `batches` are used up. None is a batch that could not be read."""

    def __init__(self) -> None:
        self.batches: asyncio.Queue[Sequence[str] | None] = asyncio.Queue()
        self.alone: Followed | None = None


class Watch:
    """Looks at something for its followers, every `poll_s`, until the last is gone."""

    def __init__(self, followed: Followed, poll_s: float) -> None:
        self._followed = followed
        self._poll_s = poll_s
        self._looking = asyncio.Lock()
        self._followers: set[Follower] = set()
        self._guests: set[Follower] = set()

    @property
    def is_idle(self) -> bool:
        """Whether nobody is here, not even one who is about to follow, or goes on alone."""
        return not self._guests

    def expect(self) -> Follower:
        """Return one who is about to follow."""
        follower = Follower()
        self._guests.add(follower)
        return follower

    async def join(self, follower: Follower, lines: int) -> Sequence[str]:
        """Return the last lines so far; all that come after them are the follower's too."""
        # Somebody who goes away meanwhile must not take along what was just read for all.
        return await asyncio.shield(asyncio.create_task(self._join(follower, lines)))

    async def _join(self, follower: Follower, lines: int) -> Sequence[str]:
        async with self._looking:
            await self._look()
            if follower in self._guests:
                self._followers.add(follower)
            return await asyncio.to_thread(self._followed.known, lines)

    def leave(self, follower: Follower) -> None:
        """Follow no more."""
        self._followers.discard(follower)
        self._guests.discard(follower)
        if follower.alone is not None:
            follower.alone.close()

    async def go_on(self) -> None:
        """Look again and again until nobody is here, or it cannot be looked at."""
        try:
            while not self.is_idle:
                await asyncio.sleep(self._poll_s)
                async with self._looking:
                    await self._look()
        except OSError:
            log.exception("a log cannot be followed")
            for each in self._guests:
                each.batches.put_nowait(None)
        finally:
            self._followed.close()

    async def _look(self) -> None:
        for slow in [each for each in self._followers if each.batches.qsize() >= MAX_BATCHES]:
            slow.alone = self._followed.copy()
            slow.batches.put_nowait(())
            self._followers.remove(slow)
        if found := await asyncio.to_thread(self._followed.fresh):
            for each in self._followers:
                each.batches.put_nowait(found)


class Watches:
    """The watches of an event loop, by what they watch."""

    def __init__(self, poll_s: float) -> None:
        self._poll_s = poll_s
        self._watches: dict[object, tuple[Watch, asyncio.Task[None]]] = {}

    async def lines(self, key: object, lines: int, begin: Callable[[], Awaitable[Followed]]) -> AsyncGenerator[str, None]:
        """Yield the last lines of what `begin` opens, if nobody follows it yet, then those that come."""
        async with self._followed(key, begin) as (watch, follower):
            for line in await watch.join(follower, lines):
                yield line
            while follower.alone is None or not follower.batches.empty():
                batch = await follower.batches.get()
                if batch is None:
                    raise Unavailable("The log cannot be followed any more.", "Ask for it again; the panel's log says why.")
                for line in batch:
                    yield line
            while True:
                for line in await asyncio.to_thread(follower.alone.fresh):
                    yield line
                await asyncio.sleep(self._poll_s)

    @asynccontextmanager
    async def _followed(self, key: object, begin: Callable[[], Awaitable[Followed]]) -> AsyncIterator[tuple[Watch, Follower]]:
        if key in self._watches and self._watches[key][1].done():
            del self._watches[key]
        if key not in self._watches:
            followed = await begin()
            # Another may have been faster.
            if key in self._watches:
                followed.close()
            else:
                watch = Watch(followed, self._poll_s)
                self._watches[key] = (watch, asyncio.create_task(watch.go_on()))
        watch, task = self._watches[key]
        follower = watch.expect()
        try:
            yield watch, follower
        finally:
            watch.leave(follower)
            # The task sees it and ends; who comes now begins anew.
            if watch.is_idle and self._watches.get(key) == (watch, task):
                del self._watches[key]
