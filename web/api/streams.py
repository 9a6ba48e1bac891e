"""Text streams: logs and the output of builds and releases, as Server-Sent Events or plain text."""

import asyncio
import logging
from collections.abc import AsyncIterator, Coroutine, Mapping
from contextlib import aclosing
from dataclasses import replace
from uuid import UUID

from aiohttp import web

from skypanel.domain.deploy import Deploy
from skypanel.domain.errors import SkyPanelError, Unavailable
from skypanel.domain.ids import BuildId
from skypanel.domain.log import Cursor, LogLine
from skypanel.domain.output import Place
from skypanel.flow import deploys
from skypanel.flow.logs import with_cursors
from web import ansi
from web.api import log_sessions, tickets
from web.api.tickets import Ticket
from web.keys import ACCESS_CHECKS, KEEPALIVE_S, PANEL, AccessCheck
from web.live import registered, send_keepalives

EVENTS = "text/event-stream"
# The CLI reconnects after this time, once if nothing more comes.
RETRY_MS = 10
CHECK_S = 1.0
CHECKS_AT_ONCE = 20
RESUMED_LINES = 1500

log = logging.getLogger(__name__)


async def logs(request: web.Request, params: Mapping[str, str]) -> web.StreamResponse:
    """Stream log lines of an app. With Last-Event-ID, continue after that line."""
    panel, ticket = request.app[PANEL], tickets.read(request, "logs", params["ticket"])
    _, app = await tickets.admit(panel, ticket)
    after, options = Cursor.parse(request.headers.get("Last-Event-ID", "")), ticket.options
    if after and not options["tail"]:
        raise tickets.ended()
    query = log_sessions.query_of(options, panel.clock.now())
    if after:
        query = replace(query, limit=RESUMED_LINES, newer_than=after)
    return await _send(request, ticket, with_cursors(panel.logs.read(app, query, follow=options["tail"]), after))


async def output(request: web.Request, params: Mapping[str, str]) -> web.StreamResponse:
    """Stream the output of a release until its deploy has finished."""
    ticket = tickets.read(request, "releases", params["ticket"])
    _, app = await tickets.admit(request.app[PANEL], ticket)
    return await _printed(request, ticket, await deploys.of_version(request.app[PANEL], app, ticket.options["version"]))


async def build_output(request: web.Request, params: Mapping[str, str]) -> web.StreamResponse:
    """Stream the output of a build until its deploy has finished."""
    ticket = tickets.read(request, "builds", params["ticket"])
    _, app = await tickets.admit(request.app[PANEL], ticket)
    return await _printed(request, ticket, await deploys.of_build(request.app[PANEL], app, BuildId(UUID(ticket.options["build"]))))


async def _printed(request: web.Request, ticket: Ticket, deploy: Deploy) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Type": "text/plain; charset=utf-8", "Cache-Control": "no-store"})

    async def show(_place: Place, text: str) -> None:
        await response.write(f"{ansi.plain(text)}\n".encode())

    async def copy() -> None:
        await deploys.watch(request.app[PANEL], deploy, show)

    await response.prepare(request)
    return await _copy_while_valid(request, ticket, response, copy())


async def _send(request: web.Request, ticket: Ticket, lines: AsyncIterator[tuple[Cursor, LogLine]]) -> web.StreamResponse:
    is_events = EVENTS in request.headers.get("Accept", "")
    kind = EVENTS if is_events else "text/plain; charset=utf-8"
    response = web.StreamResponse(headers={"Content-Type": kind, "Cache-Control": "no-store"})
    await response.prepare(request)

    async def copy() -> None:
        if is_events:
            await response.write(f"retry: {RETRY_MS}\n\n".encode())
        async with aclosing(lines):  # type: ignore[type-var]
            async for cursor, line in lines:
                text = f"id: {line.stamp}/{cursor.seen}\ndata: {line}\n\n" if is_events else f"{line}\n"
                await response.write(text.encode(errors="replace"))

    return await _copy_while_valid(request, ticket, response, copy(), has_keepalives=is_events)


async def _copy_while_valid(
    request: web.Request,
    ticket: Ticket,
    response: web.StreamResponse,
    copying: Coroutine[None, None, None],
    *,
    has_keepalives: bool = False,
) -> web.StreamResponse:
    """Copy until the stream ends, the client disconnects, or its token is no longer valid."""
    with registered(request):
        try:
            async with asyncio.TaskGroup() as tasks:
                watch = tasks.create_task(_until_invalid(request.app, ticket))
                keepalives = tasks.create_task(send_keepalives(response, request.app[KEEPALIVE_S])) if has_keepalives else None
                await copying
                watch.cancel()
                if keepalives:
                    keepalives.cancel()
        except* (ConnectionError, SkyPanelError) as errors:
            log.info("a stream of app %s has ended: %s", ticket.app_id, errors.exceptions)
    return response


async def _until_invalid(app: web.Application, ticket: Ticket) -> None:
    """Raise NotFound once a ticket is no longer valid. All streams of one token and app share one check."""
    key = (ticket.token_id, ticket.app_id)
    checks = app[ACCESS_CHECKS]
    check = checks.get(key)
    if check is None or check.task.done():
        check = checks[key] = AccessCheck(asyncio.create_task(_check(app, ticket)))
    check.streams += 1
    try:
        await asyncio.shield(check.task)
    finally:
        check.streams -= 1
        if not check.streams:
            check.task.cancel()
            if checks.get(key) is check:
                del checks[key]


async def _check(app: web.Application, ticket: Ticket) -> None:
    while True:
        # With many streams, each is checked less often: the database gets at most CHECKS_AT_ONCE checks per CHECK_S.
        await asyncio.sleep(CHECK_S * max(1.0, len(app[ACCESS_CHECKS]) / CHECKS_AT_ONCE))
        try:
            await tickets.admit(app[PANEL], ticket)
        except Unavailable:
            continue
