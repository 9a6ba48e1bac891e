"""Event streams that tell open pages that their apps changed, so that they load themselves again.

One task looks for changes, however many pages are open, and only while some are.
"""

import asyncio
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from aiohttp import web

from skypanel.domain.errors import SkyPanelError
from skypanel.domain.ids import AppId
from skypanel.flow import apps, watching
from skypanel.ports.panel import Panel
from web import live, session
from web.keys import KEEPALIVE_S, PANEL
from web.pages import app_frame

LOOK_EVERY_S = 0.5
# The browser then reconnects, if it still has access.
TURN_S = 60.0

log = logging.getLogger(__name__)


@dataclass(eq=False)
class Watch:
    """An open page: what it shows, the fingerprint of that when it was rendered, and an event for changes."""

    app_ids: frozenset[AppId]
    is_list: bool
    seen: str
    changed: asyncio.Event = field(default_factory=asyncio.Event)


class Watcher:
    """Looks for changes on behalf of all open pages of this process."""

    def __init__(self) -> None:
        self._watches: set[Watch] = set()
        self._task: asyncio.Task[None] | None = None
        self._again = asyncio.Event()

    @contextmanager
    def told(self, panel: Panel, watch: Watch) -> Iterator[None]:
        """Set the event of `watch` at each change while the block runs."""
        self._watches.add(watch)
        self._again.set()
        if self._task is None:
            self._task = asyncio.create_task(self._look(panel))
        try:
            yield
        finally:
            self._watches.discard(watch)
            if not self._watches and self._task is not None:
                self._task.cancel()
                self._task = None

    async def _look(self, panel: Panel) -> None:
        last: watching.Moment | None = None
        while True:
            try:
                now = await watching.moment(panel)
                if now != last or self._again.is_set():
                    self._again.clear()
                    await self._compare(panel, now)
                last = now
            except SkyPanelError as error:
                # The database or the scheduler is away. Pages keep what they show until it is back.
                log.info("open pages are not told of changes: %s", error)
            await asyncio.sleep(LOOK_EVERY_S)

    async def _compare(self, panel: Panel, now: watching.Moment) -> None:
        watches = set(self._watches)
        app_ids = frozenset().union(*(watch.app_ids for watch in watches))
        found = await watching.snapshot(panel, app_ids, now, has_list=any(watch.is_list for watch in watches))
        for watch in watches:
            seen = found.fingerprint(watch.app_ids, is_list=watch.is_list)
            if seen != watch.seen:
                watch.seen = seen
                watch.changed.set()


WATCHER = web.AppKey("watcher", Watcher)


async def of_app(request: web.Request) -> web.StreamResponse:
    """Tell a page of one app of changes."""
    framed = await app_frame.find(request)
    return await _stream(request, Watch(frozenset({framed.app.id}), is_list=False, seen=_seen(request)))


async def of_apps(request: web.Request) -> web.StreamResponse:
    """Tell the list of apps of changes."""
    visitor = await session.visitor(request)
    app_ids = frozenset(await apps.visible_ids(request.app[PANEL], visitor.account))
    return await _stream(request, Watch(app_ids, is_list=True, seen=_seen(request)))


def _seen(request: web.Request) -> str:
    """Return the fingerprint of what the browser shows: of the last event, or of the page itself."""
    return request.headers.get("Last-Event-ID") or request.query.get("seen", "")


async def _stream(request: web.Request, watch: Watch) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Type": "text/event-stream", "Cache-Control": "no-store"})
    await response.prepare(request)
    with live.registered(request), request.app[WATCHER].told(request.app[PANEL], watch):
        try:
            async with asyncio.timeout(TURN_S):
                await response.write(f"retry: {live.RETRY_MS}\n\n".encode())
                while True:
                    await response.write(await _next(watch, request.app[KEEPALIVE_S]))
        except (TimeoutError, ConnectionError):
            # The browser is gone, or reconnects.
            return response


async def _next(watch: Watch, keepalive_s: float) -> bytes:
    """Wait for a change. Returns it as an event with the new fingerprint, or a comment if nothing changed for `keepalive_s`."""
    try:
        async with asyncio.timeout(keepalive_s):
            await watch.changed.wait()
    except TimeoutError:
        return b":\n\n"
    watch.changed.clear()
    return f"id: {watch.seen}\nevent: changed\ndata: {watch.seen}\n\n".encode()
