"""Middleware for every request: an id, security headers, errors as responses, and CSRF protection."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from uuid import uuid4

from aiohttp import web

from skypanel.domain.certificate import CHALLENGE_PATH
from skypanel.domain.errors import Denied, SkyPanelError, Unavailable
from skypanel.domain.names import printable
from skypanel.flow import audit
from web import fallback, http_errors, idempotency
from web.api import auth, dispatch
from web.api.faults import STATUS, UNEXPECTED
from web.keys import ACTOR, DEADLINE, PANEL, REQUEST_ID, client, host, origin, take_time

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

ID_HEADER = "Request-Id"
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    # Not stricter: without a referrer, browsers send no Origin either, and the CSRF check needs it.
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
}
# How long a person waits for a page, or for the one that says that it is late.
PAGE_S = 4.5
READING = frozenset({"GET", "HEAD", "OPTIONS"})
INTERNAL = "/internal/"
INTERNAL_HOST = "127.0.0.1"
# Agents and the panel's own processes authenticate with a token, which no browser knows, and never with a cookie: CSRF does not apply.
AGENTS = "/nodes/agent/"
MAX_PLACE = 200
SECRET_FROM = ("/sources/", "/streams/")

log = logging.getLogger(__name__)


async def add_headers(request: web.Request, response: web.StreamResponse) -> None:
    """Add the headers that every response has. A response that begins is in time.

    A page may have a policy of its own, and an app's own page has none of ours.
    """
    take_time(request)
    if http_errors.IS_OWN in response:
        return
    for name, value in HEADERS.items():
        response.headers.setdefault(name, value)
    response.headers[ID_HEADER] = request.get(REQUEST_ID, "")
    if auth.REMAINING in request:
        response.headers[auth.HEADER] = str(request[auth.REMAINING])


@web.middleware
async def identified(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Give the request the id that error pages show and the log contains."""
    request[REQUEST_ID] = str(uuid4())
    audit.ORIGIN.set(f"{'api' if dispatch.is_for_api(request) else 'web'} {client(request)}")
    return await handler(request)


@web.middleware
async def answered(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Turn errors into responses. Log an unexpected error with its traceback."""
    try:
        return await handler(request)
    except SkyPanelError as error:
        if ACTOR in request:
            await audit.denied(request.app[PANEL], request[ACTOR], error, f"{request.method} {_place(request)[:MAX_PLACE]}")
        status, name = STATUS[type(error)]
        if status >= 500:  # noqa: PLR2004 - the server's own errors (RFC 9110)
            log.exception("%s %s: %s (request %s)", request.method, _place(request), name, request[REQUEST_ID])
        return _error(request, status, name, error)
    except web.HTTPException as error:
        if error.status < 400:  # noqa: PLR2004 - redirects are no errors
            raise
        name = error.reason.lower().replace(" ", "_")
        answer = _error(request, error.status, name, _fault(error))
        if "Allow" in error.headers:
            answer.headers["Allow"] = error.headers["Allow"]
        return answer
    except Exception:
        log.exception("%s %s failed (request %s)", request.method, _place(request), request[REQUEST_ID])
        fault = SkyPanelError(
            "Something went wrong.", f"An administrator finds the details in the panel's log under {request[REQUEST_ID]}."
        )
        return _error(request, *UNEXPECTED, fault)


def _fault(error: web.HTTPException) -> SkyPanelError:
    if isinstance(error, web.HTTPMethodNotAllowed):
        return SkyPanelError(
            f"{printable(error.method)} is not a method of this URL.", f"Allowed methods: {', '.join(sorted(error.allowed_methods))}."
        )
    return SkyPanelError(f"{error.reason}.")


@web.middleware
async def in_time(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Give up on a browser's page that takes too long, such as while the database hangs. Writes are never given up halfway."""
    if request.method not in READING or not _wants_page(request):
        return await handler(request)
    try:
        async with asyncio.timeout(PAGE_S) as deadline:
            request[DEADLINE] = deadline
            try:
                return await handler(request)
            finally:
                del request[DEADLINE]
    except TimeoutError as error:
        if not deadline.expired():
            raise
        raise Unavailable("This page takes too long.", "The database may be down or busy. Reload the page in a moment.") from error


@web.middleware
async def by_host(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Dispatch by host: the dashboard, the API on the domain itself, and the fallback on all other hosts.

    A browser that asks the domain itself is led to the dashboard.
    """
    if _is_internal(request) or request.path.startswith(CHALLENGE_PATH):
        return await handler(request)
    if dispatch.is_for_api(request):
        return await dispatch.answer(request)
    if host(request) == request.app[PANEL].address.host("skypanel"):
        return await _over_tls(request) or await handler(request)
    if host(request) == request.app[PANEL].address.domain and request.method in READING:
        return _redirect(request, 302)
    return await http_errors.of_visitor(request)


async def _over_tls(request: web.Request) -> web.Response | None:
    """Redirect to HTTPS if the dashboard has TLS. Over HTTP, apps could set our cookies, and others could read what users type."""
    address = request.app[PANEL].address
    if not address.dashboard_has_tls or origin(request).startswith("https:"):
        return None
    if request.method not in READING:
        raise Denied("The dashboard requires HTTPS.", f"Open it at {address.dashboard_url()}")
    return _redirect(request, 308)


def _redirect(request: web.Request, status: int) -> web.Response:
    """Redirect to the same path of the dashboard."""
    dashboard = request.app[PANEL].address.dashboard_url().rstrip("/")
    return web.Response(status=status, headers={"Location": f"{dashboard}{request.rel_url.raw_path_qs}"})


@web.middleware
async def refuse_cross_site(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Refuse cross-origin writes (CSRF). Apps share the dashboard's site, so SameSite cookies do not suffice."""
    has_token = request.path.startswith(AGENTS) or _is_internal(request)
    if request.method in READING or has_token or _origin_of_sender(request) == origin(request):
        return await handler(request)
    raise Denied("This request came from another site.", "Open the dashboard and try again there.")


def _is_internal(request: web.Request) -> bool:
    """Whether this is for the panel's own processes. Such paths on apps' hosts are the apps'."""
    return request.path.startswith(INTERNAL) and host(request) in {INTERNAL_HOST, request.app[PANEL].address.host("skypanel")}


# `/apps/` leads to `/apps`.
without_slash = web.normalize_path_middleware(
    append_slash=False, remove_slash=True, merge_slashes=False, redirect_class=web.HTTPPermanentRedirect
)

MIDDLEWARES = (identified, answered, in_time, by_host, refuse_cross_site, without_slash, idempotency.once)


def _origin_of_sender(request: web.Request) -> str | None:
    if "Origin" in request.headers:
        return request.headers["Origin"]
    return origin(request) if request.headers.get("Sec-Fetch-Site") == "same-origin" else None


def _place(request: web.Request) -> str:
    """Return the path for the log, without its secret: that of an upload, or a stream's ticket."""
    path = request.rel_url.raw_path
    return f"{path.rpartition('/')[0]}/..." if request.path.startswith(SECRET_FROM) else path


def _error(request: web.Request, status: int, name: str, error: SkyPanelError) -> web.Response:
    if dispatch.is_for_api(request) or _wants_json(request):
        return web.json_response({"id": name, "message": str(error)}, status=status)
    return fallback.message(request, status, error.message, error.hint)


def _wants_page(request: web.Request) -> bool:
    return "text/html" in request.headers.get("Accept", "")


def _wants_json(request: web.Request) -> bool:
    accepted = request.headers.get("Accept", "")
    return "json" in accepted and "text/html" not in accepted
