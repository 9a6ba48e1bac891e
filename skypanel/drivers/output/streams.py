"""Output on Redis Streams: the key is the stream's name, an entry's id is `<attempt>-<number>`.

Writers append to a spool on disk and publish from there, so that an outage of Redis costs only time.
An ended stream is archived, and its key expires after an hour.
"""

import asyncio
import logging
from collections import deque
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, closing
from pathlib import Path
from time import monotonic
from typing import Any

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from skypanel.domain import terminal
from skypanel.domain.errors import Unavailable
from skypanel.domain.output import FIRST, Line, LineId, Stream
from skypanel.domain.transcript import failure
from skypanel.drivers.output import archive
from skypanel.drivers.output.spool import Leftover, Spool, leftovers
from skypanel.ports.objects import Objects
from skypanel.ports.output import OutputWriter
from skypanel.retry import Backoff

MAX_STREAM_BYTES = 10 * 1024 * 1024
LINE_BYTES = 64  # the overhead of a line, however short it is
LAST_LINES = 50
CUT_OFF = failure(f"Output is truncated here, because it is too long; its last {LAST_LINES} lines follow at the end.")

BATCH_BYTES = 64 * 1024
GATHER_S = 0.02
BACKOFF = Backoff(first_s=0.05, longest_s=1.0)
CLOSE_S = 3.0
LIVE_S = 24 * 60 * 60
ENDED_S = 60 * 60

READ_LINES = 500
READ_SLICE_S = 5.0
READ_RETRY_S = 0.25
SOCKET_TIMEOUT_S = 2 * READ_SLICE_S

STALE_SPOOL_S = 24 * 60 * 60

SUPERSEDED = 0

# Adds lines from number ARGV[2] on, if they follow the stored ones without a gap. Returns the next number that it expects:
# a smaller one than offered after Redis lost lines, or 0 if a later attempt has written. It skips lines that are stored
# already, so a call whose answer was lost can be repeated (idempotent).
APPEND = """
local attempt, first, ending, life = tonumber(ARGV[1]), tonumber(ARGV[2]), ARGV[3] == '1', ARGV[4]
local newest = redis.call('XREVRANGE', KEYS[1], '+', '-', 'COUNT', 1)[1]
local wanted = 1
if newest then
  local newest_attempt, number = string.match(newest[1], '^(%d+)-(%d+)$')
  if tonumber(newest_attempt) > attempt then return 0 end
  if tonumber(newest_attempt) == attempt then wanted = tonumber(number) + 1 end
end
if first > wanted then return wanted end
local number = first
for i = 5, #ARGV do
  if number >= wanted then redis.call('XADD', KEYS[1], attempt .. '-' .. number, 'text', ARGV[i]) end
  number = number + 1
end
if ending then
  if number >= wanted then redis.call('XADD', KEYS[1], attempt .. '-' .. number, 'end', '1') end
  number = number + 1
end
redis.call('EXPIRE', KEYS[1], life)
return number
"""

log = logging.getLogger(__name__)


def connect(url: str) -> "Redis":
    """Return a client for `url`, in redis-py's format, such as unix://:password@/run/valkey.sock.

    It never retries by itself: the callers decide what to do meanwhile.
    """
    return Redis.from_url(url, decode_responses=True, socket_timeout=SOCKET_TIMEOUT_S, retry=Retry(NoBackoff(), 0))


class StreamOutput:
    """Streams of lines in Redis, spooled in `spool`, archived in `objects`."""

    def __init__(self, redis: "Redis", spool: Path, objects: Objects) -> None:
        self._redis = redis
        self._spool = spool
        self._objects = objects

    @asynccontextmanager
    async def writer(self, stream: Stream, attempt: int) -> AsyncIterator[OutputWriter]:
        """Open the stream for an attempt. At the end of the block, the lines are archived and the end mark is written."""
        name = str(stream)
        await self._settle([left for left in await self._leftovers(name) if left.attempt < attempt])
        await self.sweep()
        with closing(Spool(self._spool, name, attempt)) as spool:
            publisher = _Publisher(self._redis, name, attempt, spool)
            publishing = asyncio.create_task(publisher.run())
            writer = _Writer(spool, publisher)
            try:
                yield writer
            finally:
                writer.finish()
                await self._end(name, attempt, publisher, publishing)

    async def read(self, stream: Stream, after: LineId = FIRST, idle_s: float = 15.0) -> AsyncIterator[Line]:
        """Yield the lines after `after`, from Redis or the archive, until the end mark, or until none comes for `idle_s`."""
        name, deadline = str(stream), monotonic() + idle_s
        block_s = 0.0
        while True:
            found = await self._live(name, after, block_s) or await self._archived(name, after)
            for line in found:
                yield line
                if line.end:
                    return
                after = line.id
            if found:
                deadline = monotonic() + idle_s
            block_s = min(READ_SLICE_S, deadline - monotonic())
            if block_s <= 0:
                return

    async def sweep(self, older_than_s: float = STALE_SPOOL_S) -> None:
        """Archive and delete the spools of killed writers."""
        await self._settle(await self._leftovers(older_than_s=older_than_s))

    async def close(self) -> None:
        """Close the connections to Redis."""
        await self._redis.aclose()

    async def _live(self, stream: str, after: LineId, block_s: float) -> list[Line]:
        """Return Redis's lines after `after`, waiting up to `block_s` for them; none if Redis is down."""
        try:
            found: Any = await self._redis.xread({stream: str(after)}, READ_LINES, max(1, int(block_s * 1000)) if block_s > 0 else None)
            lines = [_line(entry, fields) for _, entries in found for entry, fields in entries]
            ended = bool(lines) and lines[-1].end and not await self._later(stream, lines[-1].id)
        except (RedisError, OSError):
            await asyncio.sleep(min(READ_RETRY_S, block_s))
            return []
        # An earlier attempt has an end mark too, which is not the stream's end.
        return [line for line in lines if not line.end] + lines[-1:] * ended

    async def _archived(self, stream: str, after: LineId) -> list[Line]:
        """Return the archive's lines after `after`; none if storage is down, because live output is in Redis."""
        try:
            return await archive.lines_after(self._objects, stream, after)
        except Unavailable as error:
            log.warning("%s: its archive cannot be read: %s", stream, error)
            return []

    async def _later(self, stream: str, last: LineId) -> bool:
        return bool(await self._redis.xrange(stream, f"({last}", "+", 1))

    async def _end(self, stream: str, attempt: int, publisher: "_Publisher", publishing: "asyncio.Task[None]") -> None:
        """Archive first: a reader that finds no end mark in Redis then finds it in the archive."""
        archived = await self._archive(stream, attempt, publisher)
        publisher.end(ENDED_S if archived else LIVE_S)
        try:
            async with asyncio.timeout(CLOSE_S):
                await publishing
        except TimeoutError:
            log.warning("%s: Redis does not answer; readers get the rest from the archive", stream)
        if archived:
            publisher.spool.remove()

    async def _archive(self, stream: str, attempt: int, publisher: "_Publisher") -> bool:
        try:
            await archive.put(self._objects, stream, attempt, await asyncio.to_thread(publisher.body))
        except Unavailable:
            log.exception("%s: not archived, its spool is kept", stream)
            return False
        return True

    async def _leftovers(self, stream: str | None = None, older_than_s: float = 0) -> Sequence[Leftover]:
        return await asyncio.to_thread(leftovers, self._spool, stream, older_than_s)

    async def _settle(self, found: Sequence[Leftover]) -> None:
        """Archive spools without a writer. Idempotent: another process may archive the same ones."""
        for left in found:
            try:
                await archive.put(self._objects, left.stream, left.attempt, await asyncio.to_thread(left.path.read_bytes))
                left.path.unlink(missing_ok=True)
            except FileNotFoundError:
                continue
            except Unavailable:
                # The caller must not wait for a timeout for each spool. The next sweep archives the rest.
                log.exception("%s: not archived, its spool is kept", left.stream)
                return


class _Writer:
    """Numbers lines by appending them to the spool. Over the limit, only the last lines are kept."""

    def __init__(self, spool: Spool, publisher: "_Publisher") -> None:
        self._spool = spool
        self._publisher = publisher
        self._size_bytes = 0
        self._last: deque[str] = deque(maxlen=LAST_LINES)

    async def write(self, text: str) -> None:
        """Append a line."""
        if self._last:
            self._last.append(text)
            return
        for line in terminal.lines(text):
            self._size_bytes += max(len(line.encode()) + 1, LINE_BYTES)
            if self._last or self._size_bytes > MAX_STREAM_BYTES:
                self._last.append(line)
            else:
                self._spool.append(line)
        if self._last:
            self._spool.append(CUT_OFF)
        self._publisher.wake()
        await asyncio.sleep(0)

    def finish(self) -> None:
        """Append the last lines of an output over the limit: they tell how it ended."""
        last = [line for text in self._last for line in terminal.lines(text)]
        for line in last[-LAST_LINES:]:
            self._spool.append(line)


class _Publisher:
    """Publishes lines from a spool to Redis."""

    def __init__(self, redis: "Redis", stream: str, attempt: int, spool: Spool) -> None:
        self.spool = spool
        self._stream = stream
        self._attempt = attempt
        self._append = redis.register_script(APPEND)
        self._offset = 0
        self._next = 1
        self._superseded = False
        self._is_spooling = False
        self._life_s = LIVE_S
        self._ending = False
        self._written = asyncio.Event()

    def wake(self) -> None:
        """Wake the publisher for new lines."""
        self._written.set()

    def end(self, life_s: int) -> None:
        """Announce that no more lines come. The key then expires after `life_s`."""
        self._life_s, self._ending = life_s, True
        self._written.set()

    def body(self) -> bytes:
        """Return the lines to archive: all, or those before a later attempt took over."""
        return self.spool.body(self._next - 1 if self._superseded else self.spool.count)

    async def run(self) -> None:
        """Publish until the end mark is published. Retries with backoff while Redis is down."""
        while True:
            await self._written.wait()
            self._written.clear()
            ended = await BACKOFF.retry(self._publish, (RedisError, OSError), self._spooling)
            self._is_spooling = False
            if ended:
                return
            await asyncio.sleep(GATHER_S)

    def _spooling(self, error: Exception) -> bool:
        """Say once that Redis is gone: the lines stay in the spool, so every such error passes."""
        if not self._is_spooling:
            log.warning("%s: Redis is gone (%s), spooling", self._stream, error)
        self._is_spooling = True
        return True

    async def _publish(self) -> bool:
        """Publish all spooled lines, then the end mark if it is announced. Return whether nothing is left to publish."""
        ending = self._ending
        done = False
        while not done and not self._superseded:
            lines, offset = self.spool.read(self._offset, BATCH_BYTES)
            done = offset == self.spool.size_bytes
            if lines or (done and ending):
                done = await self._offer(lines, offset, ending=done and ending) and done
        return ending or self._superseded

    async def _offer(self, lines: Sequence[str], offset: int, *, ending: bool) -> bool:
        """Publish lines and advance behind them. If Redis lost some, move back to the line it expects and return False."""
        following = self._next + len(lines) + ending
        args: list[str | int] = [self._attempt, self._next, int(ending), self._life_s, *lines]
        wanted = int(await self._append(keys=[self._stream], args=args))
        if wanted == SUPERSEDED:
            self._superseded = True
        elif wanted >= following:
            self._offset, self._next = offset, following
        else:
            log.warning("%s: Redis lost lines, publishing from line %d again", self._stream, wanted)
            self._offset, self._next = self._offset_of(wanted), wanted
            return False
        return True

    def _offset_of(self, number: int) -> int:
        return len(self.spool.body(number - 1))


def _line(entry: str, fields: dict[str, Any]) -> Line:
    attempt, number = entry.split("-")
    return Line(LineId(int(attempt), int(number)), fields.get("text", ""), end="end" in fields)
