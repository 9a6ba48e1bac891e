"""Endpoints for the agents of nodes, over HTTPS. Each agent authenticates with the token of its node."""

import json
import re
from collections.abc import AsyncIterator

from aiohttp import web

from skypanel.domain import log, report
from skypanel.domain.errors import Denied, Invalid
from skypanel.domain.node import Node
from skypanel.flow import collect, heartbeat, stopping
from web.keys import PANEL
from web.live import registered

SCHEME = "Bearer "
MAX_TOKEN = 200
_MARK = re.compile(r"[0-9a-f]{64}|")


async def receive_heartbeat(request: web.Request) -> web.Response:
    """Record a heartbeat."""
    node = await _node(request)
    await heartbeat.record(request.app[PANEL], node, report.parse(await _json(request)))
    return web.json_response({})


async def slugs(request: web.Request) -> web.Response:
    """Return the slugs that the node should have and the containers to stop. A long poll: it waits until something changes."""
    node = await _node(request)
    known = request.query.get("known", "")
    if not _MARK.fullmatch(known):
        raise Invalid("This is not a valid mark.", "Send the request without it.")
    with registered(request):
        orders = await heartbeat.orders(request.app[PANEL], node, known)
    return web.json_response({"slugs": list(orders.digests), "mark": orders.mark, "stops": list(orders.stops)})


async def stopped(request: web.Request) -> web.Response:
    """Record that the agent carried out an order to stop a container."""
    node = await _node(request)
    await stopping.carried_out(request.app[PANEL], node, request.match_info["container"])
    return web.json_response({})


async def logs(request: web.Request) -> web.Response:
    """Store lines that dynos of the node printed."""
    await _node(request)
    panel = request.app[PANEL]
    await collect.keep(panel, log.parse(await _json(request), panel.clock.now()))
    return web.json_response({})


async def slug(request: web.Request) -> web.StreamResponse:
    """Stream the bytes of a slug."""
    await _node(request)
    chunks = heartbeat.slug(request.app[PANEL], request.match_info["digest"])
    # Read the first chunk before the response starts, so that a missing slug is still answered with an error.
    first = await anext(chunks, b"")
    response = web.StreamResponse(headers={"Content-Type": "application/octet-stream", "Cache-Control": "no-store"})
    await response.prepare(request)
    await _copy(first, chunks, response)
    await response.write_eof()
    return response


async def _copy(first: bytes, chunks: AsyncIterator[bytes], response: web.StreamResponse) -> None:
    await response.write(first)
    async for chunk in chunks:
        await response.write(chunk)


async def _node(request: web.Request) -> Node:
    header = request.headers.get("Authorization", "")
    token = header.removeprefix(SCHEME)
    # Real tokens are short ASCII. A header that is not UTF-8 contains surrogates, which cannot be encoded for hashing.
    if not header.startswith(SCHEME) or not token.isascii() or len(token) > MAX_TOKEN:
        raise Denied("Only the agents of nodes may send this request.", "Send the node's token.")
    return await heartbeat.agent(request.app[PANEL], token)


async def _json(request: web.Request) -> object:
    if request.content_type != "application/json":
        raise web.HTTPUnsupportedMediaType
    try:
        body: object = json.loads(await request.read())
    except (ValueError, RecursionError, ConnectionError, web.RequestPayloadError) as error:
        raise Invalid("The body is not valid JSON.") from error
    return body
