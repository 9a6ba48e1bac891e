"""A client of one Loki. Each request has its whole time limited: a Loki without a query frontend accepts queries and never answers."""

import asyncio
import gzip
import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from aiohttp import ClientError, ClientResponse, ClientSession, ClientTimeout, DummyCookieJar, encode_basic_auth

from skypanel.domain.errors import Invalid, Unavailable
from skypanel.domain.loki import Loki
from skypanel.domain.names import printable
from skypanel.drivers.loki.wire import Entry, counts, entries

ANSWER_S = 10.0
MAX_ANSWER_BYTES = 64 * 1024**2
MAX_REASON = 300
CATEGORIZED = {"X-Loki-Response-Encoding-Flags": "categorize-labels"}
BAD_REQUEST = 400
OK = range(200, 300)


class LokiClient:
    """Opens its session at the first request."""

    def __init__(self, loki: Loki) -> None:
        self._loki = loki
        self._session: ClientSession | None = None

    async def push(self, tenant: str, body: bytes) -> None:
        """Store lines. Raises Invalid if Loki refuses some of them for good, Unavailable if it may take them later."""
        headers = {"Content-Type": "application/json", "Content-Encoding": "gzip"}
        await self._ask("POST", "push", tenant, data=await asyncio.to_thread(gzip.compress, body, 1), headers=headers)

    async def query(self, tenant: str, expression: str, start_ns: int, end_ns: int, limit: int, *, forward: bool = False) -> list[Entry]:
        """Return the entries from `start_ns` to before `end_ns`, the first or the last ones, in order. Raises Invalid and Unavailable."""
        params = {
            "query": expression,
            "start": str(start_ns),
            "end": str(end_ns),
            "limit": str(limit),
            "direction": "forward" if forward else "backward",
        }
        body = await self._ask("GET", "query_range", tenant, params=params, headers=CATEGORIZED)
        return await asyncio.to_thread(lambda: entries(_json(body)))

    async def count(self, tenant: str, expression: str, start_s: int, end_s: int, step_s: int) -> list[tuple[str, datetime, int]]:
        """Return what `wire.counts` does, of the steps that end from `start_s` to `end_s`. Raises Invalid and Unavailable."""
        params = {"query": expression, "start": f"{start_s}000000000", "end": f"{end_s}000000000", "step": str(step_s)}
        return counts(_json(await self._ask("GET", "query_range", tenant, params=params)))

    async def delete(self, tenant: str, expression: str, end_s: int) -> None:
        """Ask for the deletion of what was written before a time. Raises Invalid if this Loki deletes nothing, and Unavailable."""
        await self._ask("POST", "delete", tenant, params={"query": expression, "start": "0", "end": str(end_s)})

    async def close(self) -> None:
        """Close all connections."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def _ask(self, method: str, path: str, tenant: str, *, headers: Mapping[str, str] | None = None, **options: Any) -> bytes:  # noqa: ANN401 - aiohttp's
        url = f"{self._loki.url.rstrip('/')}/loki/api/v1/{path}"
        try:
            async with self._opened().request(
                method, url, headers={"X-Scope-OrgID": tenant, **(headers or {})}, allow_redirects=False, **options
            ) as answer:
                return _checked(answer.status, await _whole(answer))
        except (ClientError, OSError) as error:
            raise Unavailable(f"Loki does not answer: {printable(str(error) or type(error).__name__, MAX_REASON)}") from None

    def _opened(self) -> ClientSession:
        if self._session is None:
            login = {"Authorization": encode_basic_auth(self._loki.user, self._loki.password)} if self._loki.user else {}
            self._session = ClientSession(headers=login, timeout=ClientTimeout(total=ANSWER_S), cookie_jar=DummyCookieJar())
        return self._session


async def _whole(answer: ClientResponse) -> bytes:
    """Return the body of an answer. Raises Unavailable if it is too long."""
    chunks, left = [], MAX_ANSWER_BYTES
    async for chunk in answer.content.iter_any():
        left -= len(chunk)
        if left < 0:
            raise Unavailable("Loki's answer is too long.", "Check loki_url.")
        chunks.append(chunk)
    return b"".join(chunks)


def _json(body: bytes) -> object:
    try:
        return json.loads(body)
    except (ValueError, RecursionError) as error:
        raise Unavailable("Loki's answer is not JSON.", "Check loki_url.") from error


def _checked(status: int, body: bytes) -> bytes:
    """Return the body of a good answer. Raises Invalid and Unavailable."""
    if status in OK:
        return body
    said = f"Loki answered {status}: {printable(body.decode(errors='replace').strip(), MAX_REASON)}"
    raise (Invalid if status == BAD_REQUEST else Unavailable)(said)
