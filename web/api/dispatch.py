"""Routes a request to its endpoint, and turns the answer into a response."""

import hashlib
from collections.abc import Mapping, Sequence
from urllib.parse import unquote

import msgspec
from aiohttp import web
from isal import isal_zlib

from skypanel.domain.errors import Invalid, NotFound
from web.api import auth, bodies, ranges
from web.api.calls import Answer, Call, Reply
from web.api.endpoints import JSON, Endpoint, OpenEndpoint
from web.api.ranges import Page
from web.api.routes import ENDPOINTS
from web.keys import PANEL, host

MAX_PARAM = 512
COMPRESSED_FROM = 512
# JSON repeats itself, so higher levels gain little. ISA-L takes a fifth of the time that zlib takes at this level.
COMPRESSION = 1
_GZIP = 16 + isal_zlib.MAX_WBITS
PARTIAL, NOT_MODIFIED = 206, 304
WARNING = "Warning-Message"


def is_for_api(request: web.Request) -> bool:
    """Whether a request is for the API: its host is one of the API's, and it does not accept HTML, as browsers do."""
    return host(request) in request.app[PANEL].address.api_hosts and "text/html" not in request.headers.get("Accept", "")


async def answer(request: web.Request) -> web.StreamResponse:
    """Authenticate, authorize, parse and answer a request to the API."""
    endpoint, params = await _resolve(request)
    if isinstance(endpoint, OpenEndpoint):
        return _response(request, await endpoint.handle(request, params, *await _body(request, endpoint)))
    panel = request.app[PANEL]
    caller = await auth.caller(request, panel)
    caller.check(endpoint.needs)
    page = ranges.parse(request.headers.get("Range", "") if request.method == "GET" else "")
    body = await _body(request, endpoint)
    call = Call(request, caller, endpoint.needs, params, page)
    response = _response(request, await endpoint.handle(call, *body))
    _warn(response, call.warnings)
    return response


_ENCODER = msgspec.json.Encoder()
_ROUTER = web.UrlDispatcher()
_NOTHING = ("There is nothing at this URL.", "See docs/api.md for the endpoints.")


async def _unused(_request: web.Request) -> web.StreamResponse:
    raise NotFound(*_NOTHING)


_BY_ROUTE = {_ROUTER.add_route(endpoint.method, endpoint.path, _unused): endpoint for endpoint in ENDPOINTS}


async def _resolve(request: web.Request) -> tuple[Endpoint | OpenEndpoint, Mapping[str, str]]:
    match = await _ROUTER.resolve(request)
    endpoint = _BY_ROUTE.get(match.route)
    if endpoint is None:
        # Either the path exists without this method, or it does not exist.
        if isinstance(match.http_exception, web.HTTPMethodNotAllowed):
            raise match.http_exception
        raise NotFound(*_NOTHING)
    params = {name: unquote(value) if "%" in value else value for name, value in match.items()}
    if not all(value.isprintable() and len(value) <= MAX_PARAM for value in params.values()):
        raise NotFound(*_NOTHING)
    return endpoint, params


async def _body(request: web.Request, endpoint: Endpoint | OpenEndpoint) -> Sequence[object]:
    """Return the parsed body as the only item of a sequence, which is empty if the endpoint takes none. Raises Invalid."""
    if isinstance(endpoint, OpenEndpoint) and endpoint.is_upload:
        return ()
    try:
        body = await request.read()
    except (ValueError, ConnectionError, web.RequestPayloadError) as error:
        raise Invalid("The body cannot be read.", "Send one JSON object.") from error
    if endpoint.takes is not None:
        return (bodies.read(body, endpoint.takes),)
    bodies.check_empty(body)
    return ()


def _warn(response: web.StreamResponse, warnings: Sequence[str]) -> None:
    texts = [response.headers[WARNING]] if WARNING in response.headers else []
    if text := " ".join((*texts, *warnings)):
        # Today's CLI reads the first header, Heroku's older clients read the second.
        response.headers.update({WARNING: text, "X-Heroku-Warning": text})


def _response(request: web.Request, answer: Answer) -> web.StreamResponse:
    if isinstance(answer, web.StreamResponse):
        return answer
    if isinstance(answer, Page):
        more = {"Next-Range": answer.next} if answer.next else {}
        answer = Reply(list(answer.items), PARTIAL if answer.next else 200, {"Accept-Ranges": "id, name, version", **more})
    headers = {"Cache-Control": "private, no-cache", "Vary": "Authorization, Accept-Encoding, Range", **answer.headers}
    # With the spaces that Python's json writes: scripts may search the text for them.
    body = msgspec.json.format(_ENCODER.encode(answer.body), indent=0)
    if len(body) >= COMPRESSED_FROM and "gzip" in request.headers.get("Accept-Encoding", ""):
        body, headers["Content-Encoding"] = isal_zlib.compress(body, COMPRESSION, _GZIP), "gzip"
    # To hash a list takes three times as long as to compress it and hash the result.
    headers["ETag"] = tag = f'W/"{hashlib.sha256(body).hexdigest()[:32]}"'
    if request.method == "GET" and tag in request.headers.get("If-None-Match", ""):
        headers.pop("Content-Encoding", None)
        return web.Response(status=NOT_MODIFIED, headers=headers)
    return web.Response(body=body, status=answer.status, content_type=JSON, headers=headers)
