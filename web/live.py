"""Logs of deploys: as they stand, and as Server-Sent Events (https://html.spec.whatwg.org/multipage/server-sent-events.html)."""

import asyncio
import json
import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from aiohttp import web

from skypanel.domain.deploy import Deploy
from skypanel.domain.errors import SkyPanelError
from skypanel.domain.output import Place
from skypanel.flow import deploys
from skypanel.ports.panel import Panel
from web import ansi
from web.keys import KEEPALIVE_S, PANEL, STREAMS

FEW_LINES = 200
MANY_LINES = 2000
ALL_LINES = 1_000_000
# The browser then reconnects and continues where it was, if it still has access.
MAX_STREAM_S = 5 * 60.0
RETRY_MS = 1000

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Log:
    """A deploy's log as a page shows it: the last lines, how many came before, and the position after which the rest comes."""

    deploy: Deploy
    url: str
    lines: Sequence[str]
    left_out: int
    place: Place | None


async def read(panel: Panel, deploy: Deploy, most: int) -> Log:
    """Return the log as it stands."""
    found = await deploys.so_far(panel, deploy, most)
    return Log(deploy, url(deploy), found.lines, found.left_out, found.place)


def url(deploy: Deploy) -> str:
    """Return where a deploy's page is."""
    if deploy.build is not None:
        return f"/apps/{deploy.app.name}/builds/{deploy.build.id}"
    return f"/apps/{deploy.app.name}/releases/{deploy.release.version}" if deploy.release else f"/apps/{deploy.app.name}"


async def stream(request: web.Request, deploy: Deploy) -> web.StreamResponse:
    """Send the lines after the last one that the browser has, then an event with the deploy's final state."""
    after = Place.parse(request.headers.get("Last-Event-ID") or request.query.get("after", ""))
    response = web.StreamResponse(headers={"Content-Type": "text/event-stream", "Cache-Control": "no-store"})
    await response.prepare(request)
    with registered(request):
        try:
            async with asyncio.timeout(MAX_STREAM_S), asyncio.TaskGroup() as tasks:
                keepalives = tasks.create_task(_send_keepalives(response, request.app[KEEPALIVE_S]))
                await _copy(request.app[PANEL], deploy, after, response)
                keepalives.cancel()
        except* (TimeoutError, ConnectionError, SkyPanelError) as errors:
            # The browser is gone, or will reconnect and get the error.
            log.info("the log of %s is no longer read: %s", url(deploy), errors.exceptions)
    return response


async def plain(panel: Panel, deploy: Deploy) -> web.Response:
    """Return the whole log so far, without colours."""
    found = await deploys.so_far(panel, deploy, ALL_LINES)
    text = "".join(f"{''.join(part for _, part in ansi.parse(line).parts)}\n" for line in found.lines)
    return web.Response(text=text, content_type="text/plain", headers={"Cache-Control": "no-store"})


async def end_streams(app: web.Application) -> None:
    """Cancel all streams, so that shutdown does not wait for them. Browsers reconnect."""
    for task in app[STREAMS]:
        task.cancel()


@contextmanager
def registered(request: web.Request) -> Iterator[None]:
    """While the block runs, let shutdown cancel the current task."""
    task = asyncio.current_task()
    if task is None:
        raise RuntimeError("a request is answered in a task")
    request.app[STREAMS].add(task)
    try:
        yield
    finally:
        request.app[STREAMS].discard(task)


async def _copy(panel: Panel, deploy: Deploy, after: Place | None, response: web.StreamResponse) -> None:
    async def show(place: Place, text: str) -> None:
        line = ansi.parse(text)
        await response.write(f"id: {place}\ndata: {json.dumps([line.kind, line.parts])}\n\n".encode())

    await response.write(f"retry: {RETRY_MS}\n\n".encode())
    ended = await deploys.watch(panel, deploy, show, after)
    await response.write(f"event: end\ndata: {ended.state}\n\n".encode())


async def _send_keepalives(response: web.StreamResponse, every_s: float) -> None:
    while True:
        await asyncio.sleep(every_s)
        await response.write(b":\n\n")
