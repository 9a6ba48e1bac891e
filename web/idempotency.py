"""Idempotent forms: a double click, Back or a reload sends the same key, and the second POST gets the answer of the first."""

import hashlib
from collections.abc import Awaitable, Callable

from aiohttp import web

from skypanel.domain.errors import Conflict
from skypanel.flow import submissions
from web import messages, session
from web.keys import PANEL, SUBMISSION

KEY = "idempotency_key"
MAX_KEY = 100


@web.middleware
async def once(request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]) -> web.StreamResponse:
    """Record how a form that `begin` let through was answered. A form that failed can be sent again."""
    try:
        response = await handler(request)
    except BaseException:
        await _failed(request)
        raise
    if SUBMISSION in request:
        if response.status < 400:  # noqa: PLR2004 - client errors begin here (RFC 9110)
            location = response.headers.get("Location")
            await submissions.finish(request.app[PANEL], request[SUBMISSION], location, request.get(messages.MESSAGE))
        else:
            await _failed(request)
    return response


async def begin(request: web.Request, key: str) -> None:
    """Let a form of a signed-in visitor through, if its key is new.

    Otherwise redirects to where the first answer led. Raises Conflict if that answer was a page.
    """
    secret = session.read_cookie(request, session.SESSION)
    if not key or len(key) > MAX_KEY or secret is None:
        return
    digest = hashlib.sha256(f"{secret} {request.path} {key}".encode()).hexdigest()
    before = await submissions.begin(request.app[PANEL], digest)
    if before is None:
        request[SUBMISSION] = digest
        return
    if before.location is None:
        raise Conflict("This form was sent already.", "Reload the page to see what it did.")
    redirect = web.HTTPSeeOther(before.location)
    if before.message is not None:
        messages.keep(request, redirect, before.message)
    raise redirect


async def _failed(request: web.Request) -> None:
    if SUBMISSION in request:
        await submissions.forget(request.app[PANEL], request[SUBMISSION])
