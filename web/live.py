"""Logs of deploys as they stand, and logs as Server-Sent Events (https://html.spec.whatwg.org/multipage/server-sent-events.html)."""

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Sequence
from contextlib import aclosing, contextmanager
from dataclasses import dataclass, replace
from functools import partial

from aiohttp import web

from skypanel.domain.deploy import Deploy, DeployState
from skypanel.domain.errors import SkyPanelError
from skypanel.domain.failure import first_error
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
BLOCK_BYTES = 64 * 1024

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Log:
    """A deploy's log as a page shows it: its last lines with their numbers, and the position after which the rest comes.

    `left_out` lines came before, `count` is how many there are in all, and `error` is the number of the line that says what failed.
    """

    deploy: Deploy
    url: str
    lines: Sequence[tuple[int, str]]
    left_out: int
    count: int
    place: Place | None
    error: int | None = None
    search: str = ""


def error_text(log: Log) -> str | None:
    """Return the line that says what failed, without colours, or None."""
    return next((ansi.plain(text) for number, text in log.lines if number == log.error), None)


async def read(panel: Panel, deploy: Deploy, most: int) -> Log:
    """Return the log as it stands."""
    found = await deploys.so_far(panel, deploy, most)
    first = found.left_out + 1
    lines = list(enumerate(found.lines, first))
    error = first_error(found.lines) if deploy.state is DeployState.FAILED else None
    count = found.left_out + len(lines)
    return Log(deploy, url(deploy), lines, found.left_out, count, found.place, None if error is None else first + error)


def searched(log: Log, text: str) -> Log:
    """Return the log with those of its lines that contain a text, in whatever letter case. It does not go on by itself."""
    found = [(number, line) for number, line in log.lines if text.lower() in ansi.plain(line).lower()]
    return replace(log, lines=found, place=None, search=text)


def url(deploy: Deploy) -> str:
    """Return where a deploy's page is."""
    return f"/apps/{deploy.app.name}/deploys/{deploy.id}" if deploy.id else f"/apps/{deploy.app.name}/deploys"


async def stream(request: web.Request, deploy: Deploy, until_denied: Callable[[], Coroutine[None, None, None]]) -> web.StreamResponse:
    """Send the lines after the last one that the browser has, then an event with the deploy's final state. See `send`."""
    after = Place.parse(last_seen(request))
    return await send(request, partial(_copy, request.app[PANEL], deploy, after), until_denied)


def last_seen(request: web.Request) -> str:
    """Return the id of the last event that the browser has, or an empty text."""
    return request.headers.get("Last-Event-ID") or request.query.get("after", "")


async def send(
    request: web.Request,
    copy: Callable[[web.StreamResponse], Coroutine[None, None, None]],
    until_denied: Callable[[], Coroutine[None, None, None]],
) -> web.StreamResponse:
    """Send the events that `copy` writes. `until_denied` raises Denied when the visitor may no longer read them; then the stream ends."""
    response = web.StreamResponse(headers={"Content-Type": "text/event-stream", "Cache-Control": "no-store"})
    await response.prepare(request)
    with registered(request):
        try:
            async with asyncio.timeout(MAX_STREAM_S), asyncio.TaskGroup() as tasks:
                others = [tasks.create_task(each) for each in (send_keepalives(response, request.app[KEEPALIVE_S]), until_denied())]
                await response.write(f"retry: {RETRY_MS}\n\n".encode())
                await copy(response)
                for other in others:
                    other.cancel()
        except* (TimeoutError, ConnectionError, SkyPanelError) as errors:
            # The browser is gone, or will reconnect and get the error.
            log.info("%s is no longer read: %s", request.path, errors.exceptions)
    return response


async def send_file(
    request: web.Request, response: web.StreamResponse, texts: AsyncIterator[str], until_denied: Callable[[], Coroutine[None, None, None]]
) -> web.StreamResponse:
    """Send texts in blocks. If they cannot be sent to their end, the connection is reset, so that a browser says so."""
    await response.prepare(request)
    with registered(request):
        try:
            async with asyncio.TaskGroup() as tasks:
                denial = tasks.create_task(until_denied())
                async with aclosing(texts) as found:  # type: ignore[type-var]
                    async for block in _blocks(found):
                        await response.write(block)
                denial.cancel()
        except* (ConnectionError, SkyPanelError) as errors:
            log.info("%s was not sent to its end: %s", request.path, errors.exceptions)
            if request.transport is not None:
                request.transport.abort()
    return response


async def _blocks(texts: AsyncIterator[str]) -> AsyncIterator[bytes]:
    block = bytearray()
    async for text in texts:
        block += text.encode(errors="replace")
        if len(block) >= BLOCK_BYTES:
            yield bytes(block)
            block.clear()
    yield bytes(block)


async def plain(panel: Panel, deploy: Deploy, *, is_download: bool = False) -> web.Response:
    """Return the whole log so far, without colours."""
    found = await deploys.so_far(panel, deploy, ALL_LINES)
    text = "".join(f"{ansi.plain(line)}\n" for line in found.lines)
    name = f"{deploy.app.name}-{str(deploy.id)[:8]}.log"
    headers = {"Cache-Control": "no-store", "Content-Disposition": f'{"attachment" if is_download else "inline"}; filename="{name}"'}
    return web.Response(text=text, content_type="text/plain", headers=headers)


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

    ended = await deploys.watch(panel, deploy, show, after)
    await response.write(f"event: end\ndata: {ended.state}\n\n".encode())


async def send_keepalives(response: web.StreamResponse, every_s: float) -> None:
    """Send a comment again and again, so that nobody between takes a silent stream for a dead one."""
    while True:
        await asyncio.sleep(every_s)
        await response.write(b":\n\n")
