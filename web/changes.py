"""Event streams that tell open pages that their apps changed, so that they load themselves again.

A stream ends once its session has ended or its visitor may no longer see the app. One task looks for changes, however many pages are
open, and only while some are.
"""

import asyncio
import logging
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from random import random

from aiohttp import web

from skypanel.domain.access import Action
from skypanel.domain.account import Account
from skypanel.domain.errors import Denied, SkyPanelError
from skypanel.domain.ids import AppId
from skypanel.flow import apps, watching
from skypanel.flow.watching import OpenPage, View
from skypanel.ports.panel import Panel
from web import live, session
from web.keys import KEEPALIVE_S, PANEL

LOOK_EVERY_S = 0.5
# The browser then reconnects. It waits half of this at least: pages that came back together do not do so again.
TURN_S = 300.0

log = logging.getLogger(__name__)


@dataclass(eq=False)
class Watch:
    """An open page: whose it is, what it shows, the fingerprint of that when it was rendered, and an event for changes.

    `reach` is what the visitor may see, as it was when it was last looked at, and `is_over` whether that is nothing any more.
    """

    page: OpenPage
    by: Account
    view: View
    seen: str = ""
    reach: str | None = None
    is_over: bool = False
    changed: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def is_moved_list(self) -> bool:
        """Whether the page is a list that may lack apps, once its reach has changed."""
        return self.view.is_list and self.reach is not None

    def move(self, reach: str | None) -> None:
        """Take a new reach, and tell the page of it. The first one is that with which it was rendered."""
        is_first = self.reach is None and reach is not None
        self.reach, self.is_over = reach, reach is None
        if not is_first:
            self.changed.set()


class Watcher:
    """Looks for changes on behalf of all open pages of this process."""

    def __init__(self) -> None:
        self._watches: set[Watch] = set()
        self._new: set[Watch] = set()
        self._task: asyncio.Task[None] | None = None

    @contextmanager
    def told(self, panel: Panel, watch: Watch) -> Iterator[None]:
        """Set the event of `watch` at each change while the block runs."""
        self._watches.add(watch)
        self._new.add(watch)
        if self._task is None:
            self._task = asyncio.create_task(self._look(panel))
        try:
            yield
        finally:
            self._watches.discard(watch)
            self._new.discard(watch)
            if not self._watches and self._task is not None:
                self._task.cancel()
                self._task = None

    async def _look(self, panel: Panel) -> None:
        last: watching.Moment | None = None
        while True:
            try:
                now = await watching.moment(panel)
                await self._compare(panel, now, set(self._new if now == last else self._watches))
                last = now
            except SkyPanelError as error:
                # The database or the scheduler is away. Pages keep what they show until it is back.
                log.info("open pages are not told of changes: %s", error)
            await asyncio.sleep(LOOK_EVERY_S)

    async def _compare(self, panel: Panel, now: watching.Moment, watches: Collection[Watch]) -> None:
        if not watches:
            return
        allowed = await self._allowed(panel, watches)
        views = {watch.view for watch in allowed}
        snapshot = await watching.snapshot(panel, views, now)
        # Many pages have the same view.
        found = {view: snapshot.fingerprint(view) for view in views}
        for watch in allowed:
            if found[watch.view] != watch.seen:
                watch.seen = found[watch.view]
                watch.changed.set()
        self._new.difference_update(watches)

    async def _allowed(self, panel: Panel, watches: Collection[Watch]) -> set[Watch]:
        """End the watches of pages that may no longer be seen. Returns the others, with the apps that their visitors see now."""
        reaches = await watching.reach(panel, {watch.page for watch in watches})
        # A page may be out of reach before its watch was looked at for the first time.
        moved = {watch for watch in watches if watch.page not in reaches or reaches[watch.page] != watch.reach}
        lists = {by: await watching.list_of(panel, by) for by in {watch.by for watch in moved if watch.is_moved_list}}
        for watch in moved:
            if watch.is_moved_list:
                watch.view = lists[watch.by]
            watch.move(reaches.get(watch.page))
        return {watch for watch in watches if not watch.is_over}


WATCHER = web.AppKey("watcher", Watcher)


async def of_app(request: web.Request) -> web.StreamResponse:
    """Tell a page of one app of changes."""
    visitor = await session.visitor(request)
    app = await apps.access(request.app[PANEL], visitor.account, request.match_info["app"], Action.VIEW_APP)
    return await _stream(request, _watch(visitor, app.id, seen=_seen(request)))


async def of_apps(request: web.Request) -> web.StreamResponse:
    """Tell the list of apps of changes."""
    visitor = await session.visitor(request)
    view = await watching.list_of(request.app[PANEL], visitor.account)
    return await _stream(request, Watch(watching.open_page(visitor.session), visitor.account, view, _seen(request)))


async def until_denied(request: web.Request, app_id: AppId) -> None:
    """Raise Denied once the visitor's session has ended, or the visitor may no longer see an app."""
    watch = _watch(await session.visitor(request), app_id)
    with request.app[WATCHER].told(request.app[PANEL], watch):
        while not watch.is_over:
            await watch.changed.wait()
            watch.changed.clear()
    raise Denied("You may no longer see this app.", "Reload the page.")


def _watch(visitor: session.Visitor, app_id: AppId, seen: str = "") -> Watch:
    return Watch(watching.open_page(visitor.session, app_id), visitor.account, View(frozenset({app_id})), seen)


def _seen(request: web.Request) -> str:
    """Return the fingerprint of what the browser shows: of the last event, or of the page itself."""
    return request.headers.get("Last-Event-ID") or request.query.get("seen", "")


async def _stream(request: web.Request, watch: Watch) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Type": "text/event-stream", "Cache-Control": "no-store"})
    await response.prepare(request)
    with live.registered(request), request.app[WATCHER].told(request.app[PANEL], watch):
        try:
            async with asyncio.timeout(TURN_S * (1 + random()) / 2):  # noqa: S311  # nosec B311 # no secret
                await response.write(f"retry: {live.RETRY_MS}\n\n".encode())
                while not watch.is_over:
                    await response.write(await _next(watch, request.app[KEEPALIVE_S]))
        except (TimeoutError, ConnectionError):
            # The browser is gone, or reconnects.
            return response
    return response


async def _next(watch: Watch, keepalive_s: float) -> bytes:
    """Wait for a change. Returns it as an event with the new fingerprint, or a comment if nothing changed for `keepalive_s`.

    The last event says that the page may no longer be seen.
    """
    try:
        async with asyncio.timeout(keepalive_s):
            await watch.changed.wait()
    except TimeoutError:
        return b":\n\n"
    watch.changed.clear()
    if watch.is_over:
        return b"event: over\ndata: over\n\n"
    return f"id: {watch.seen}\nevent: changed\ndata: {watch.seen}\n\n".encode()
