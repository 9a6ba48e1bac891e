"""Sends the log lines of apps to their drains. Each drain has a backlog of its own, so that a slow one loses only its own lines."""

import asyncio
import logging
from collections.abc import Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import uuid4

from skypanel.domain import log_drain as rules
from skypanel.domain.app import App
from skypanel.domain.errors import Denied, Invalid, SkyPanelError, Unavailable
from skypanel.domain.ids import AppId, LogDrainId
from skypanel.domain.internet import Network
from skypanel.domain.log import LogQuery
from skypanel.domain.log_drain import Backlog, Message, Shipment, Taken
from skypanel.flow.log_drains import networks
from skypanel.ports.panel import Panel
from skypanel.store import log_drains
from skypanel.store.log_drains import Drained, Progress
from skypanel.tasks import cancel

REFRESH_S = 2.0
# What one drain may have in memory, and what all may have together.
MAX_BACKLOG_BYTES = 4 * 1024**2
MAX_MEMORY_BYTES = 128 * 1024**2
# How long a log waits for a drain that has no room. One that takes nothing in that time is slow: it is waited for once, not for each line.
PATIENCE_S = 1.0
# The lines in which a reader that starts again finds its place.
RESUMED_LINES = 1500

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Pace:
    """How often to look for new drains and record progress, and how long to wait after so many failures in a row."""

    refresh_s: float = REFRESH_S
    pause_s: Callable[[int], float] = rules.pause_s


async def ship(panel: Panel, pace: Pace = Pace()) -> None:
    """Send lines until cancelled."""
    shipping = _Shipping(panel, pace)
    try:
        while True:
            await shipping.refresh()
            await asyncio.sleep(pace.refresh_s)
    finally:
        await shipping.close()


class _Shipping:
    """A courier for each drain, and a reader for each app that has drains."""

    def __init__(self, panel: Panel, pace: Pace) -> None:
        self._panel = panel
        self._pace = pace
        self._couriers: dict[LogDrainId, _Courier] = {}
        self._readers: dict[AppId, _Reader] = {}

    async def refresh(self) -> None:
        """Record progress, then start and stop couriers and readers as the drains have changed."""
        try:
            await self._record()
            async with self._panel.autocommit() as conn:
                apps, drains = await log_drains.all(conn)
            allowed = await networks(self._panel)
        except Unavailable as error:
            log.warning("drains go on as they are: %s", error)
            return
        await self._hire(drains)
        for each in self._couriers.values():
            each.allow(allowed, MAX_MEMORY_BYTES // len(self._couriers))
        await self._read(apps)

    async def close(self) -> None:
        """Stop, and record where to continue."""
        await cancel([each.task for each in self._readers.values()])
        await self._dismiss(list(self._couriers.values()))
        try:
            await self._record()
        except Unavailable as error:
            log.warning("some lines will be sent again: %s", error)

    async def _record(self) -> None:
        progress = {drain_id: change for drain_id, each in self._couriers.items() if (change := each.change()) is not None}
        if progress:
            async with self._panel.transaction() as conn:
                await log_drains.record(conn, progress)
            for drain_id, change in progress.items():
                self._couriers[drain_id].recorded(change)

    async def _hire(self, drains: Sequence[Drained]) -> None:
        wanted = {each.drain.id: each for each in drains}
        gone = [each for drain_id, each in self._couriers.items() if drain_id not in wanted or each.has_failed]
        for courier in gone:
            del self._couriers[courier.drain.id]
        await self._dismiss(gone)
        for drain_id in wanted.keys() - self._couriers.keys():
            try:
                self._couriers[drain_id] = _Courier(self._panel, wanted[drain_id], self._pace)
            except Unavailable as error:
                log.warning("the drain %s cannot be read: %s", drain_id, error)

    async def _dismiss(self, couriers: Sequence["_Courier"]) -> None:
        await cancel([each.task for each in couriers])
        for each in couriers:
            await each.close()

    async def _read(self, apps: Sequence[App]) -> None:
        """Have a reader for each app. One whose app has other drains now starts again, where the drains are."""
        of_apps: dict[AppId, list[_Courier]] = {}
        for each in self._couriers.values():
            of_apps.setdefault(each.drain.app_id, []).append(each)
        gone = [reader for app_id, reader in self._readers.items() if reader.couriers != of_apps.get(app_id) or reader.task.done()]
        for reader in gone:
            del self._readers[reader.app.id]
        await cancel([each.task for each in gone])
        for app in apps:
            if app.id not in self._readers and app.id in of_apps:
                self._readers[app.id] = _Reader(self._panel, app, of_apps[app.id])


class _Reader:
    """Follows the log of an app for its couriers."""

    def __init__(self, panel: Panel, app: App, couriers: list["_Courier"]) -> None:
        self.app = app
        self.couriers = couriers
        self._panel = panel
        self.task = asyncio.create_task(self._follow())

    async def _follow(self) -> None:
        for each in self.couriers:
            each.begin()
        try:
            async with aclosing(self._panel.logs.read(self.app, LogQuery(limit=RESUMED_LINES), follow=True)) as lines:  # type: ignore[type-var]
                async for line in lines:
                    message = rules.message(line)
                    for each in self.couriers:
                        await each.put(message)
        except SkyPanelError as error:
            # The next refresh starts another reader.
            log.warning("the log of %s is not followed for a moment: %s", self.app.name, error)


@dataclass
class _State:
    """What is recorded about a drain. `missed` counts lines since the last record."""

    sent_until: datetime
    missed: int = 0
    error: str | None = None


class _Courier:
    """Sends one drain its lines, in order. What fails is sent again, with pauses that grow. Raises Unavailable if it cannot be read."""

    def __init__(self, panel: Panel, of: Drained, pace: Pace) -> None:
        self.drain = of.drain
        self._panel = panel
        self._pace = pace
        self._connection = panel.log_drains.open(panel.cipher.decrypt(of.url))
        self._networks: Sequence[Network] = ()
        self._backlog = Backlog(MAX_BACKLOG_BYTES)
        self._woken = asyncio.Event()
        self._moved = asyncio.Event()
        self._is_slow = False
        self._state = _State(of.drain.sent_until, error=of.drain.error)
        self._recorded = _State(of.drain.sent_until, error=of.drain.error)
        self._seen = self._after = _text(of.drain.sent_until)
        self.task = asyncio.create_task(self._run())

    @property
    def has_failed(self) -> bool:
        """Whether it has ended by itself, which it should not."""
        if self.task.done() and not self.task.cancelled():
            log.error("the drain %s starts again", self.drain.token, exc_info=self.task.exception())
        return self.task.done()

    def allow(self, allowed: Sequence[Network], max_bytes: int) -> None:
        """Set the private networks that the drain may be in, and what it may have in memory."""
        self._networks = allowed
        self._backlog.max_bytes = min(MAX_BACKLOG_BYTES, max_bytes)

    def begin(self) -> None:
        """Expect a reader that begins with lines that were seen already."""
        self._after = self._seen

    async def put(self, message: Message) -> None:
        """Add a line to send. If there is no room, wait for it, unless the drain is slow."""
        if message.time <= self._after:
            return
        if not self._is_slow and not self._backlog.has_room(message):
            self._is_slow = not await self._moves()
        self._seen = max(self._seen, message.time)
        self._state.missed += self._backlog.put(message, self._panel.clock.now())
        self._woken.set()

    def change(self) -> Progress | None:
        """Return what is to be recorded, or None if nothing has changed."""
        if self._state == self._recorded:
            return None
        return Progress(self._state.sent_until, self._state.missed, self._state.error)

    def recorded(self, change: Progress) -> None:
        """Take note that a change is recorded."""
        self._state.missed -= change.dropped
        self._recorded = _State(change.sent_until, error=change.error)

    async def close(self) -> None:
        """Close the connection."""
        await self._connection.close()

    async def _moves(self) -> bool:
        """Return whether the drain takes lines within PATIENCE_S."""
        self._moved.clear()
        try:
            async with asyncio.timeout(PATIENCE_S):
                await self._moved.wait()
        except TimeoutError:
            return False
        return not self._is_slow

    async def _run(self) -> None:
        failures = 0
        while True:
            await self._woken.wait()
            self._woken.clear()
            while (taken := self._backlog.take(self._panel.clock.now())).messages:
                try:
                    await self._deliver(taken)
                except Invalid as error:
                    failures += 1
                    self._refused(taken, error)
                    await asyncio.sleep(self._pace.pause_s(failures))
                else:
                    failures = 0

    async def _deliver(self, taken: Taken) -> None:
        """Send messages until the drain has them. Raises Invalid if it will never take them."""
        shipment = Shipment(str(uuid4()), self.drain.token, taken.messages)
        failures = 0
        while True:
            try:
                await self._connection.send(shipment, self._networks)
            except (Denied, Unavailable) as error:
                failures += 1
                self._state.error = error.message
                self._move(is_slow=True)
                await asyncio.sleep(self._pace.pause_s(failures))
            else:
                self._move(is_slow=False)
                # The clock of a dyno may be ahead.
                until = min(datetime.fromisoformat(taken.messages[-1].time), self._panel.clock.now())
                self._state.sent_until, self._state.error = max(self._state.sent_until, until), None
                return

    def _move(self, *, is_slow: bool) -> None:
        self._is_slow = is_slow
        self._moved.set()

    def _refused(self, taken: Taken, error: Invalid) -> None:
        self._state.error = error.message
        self._state.missed += taken.lines
        self._backlog.miss(taken.lines + taken.missed, self._panel.clock.now())


def _text(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="microseconds")
