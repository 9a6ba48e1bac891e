"""Archived output in object storage: one zstd text for each stream and attempt, named `<stream>.<attempt>`."""

import asyncio
from collections.abc import Iterator

import zstandard

from skypanel.domain.errors import NotFound
from skypanel.domain.output import Line, LineId
from skypanel.domain.storage import ObjectKind
from skypanel.ports.objects import Objects

KIND = ObjectKind.OUTPUTS
# The attempt of a killed worker may be missing. So many missing ones in a row end the search.
MISSING_ATTEMPTS = 3


async def put(objects: Objects, stream: str, attempt: int, text: bytes) -> None:
    """Store an attempt's lines. Raises Unavailable."""
    await objects.put(KIND, _name(stream, attempt), await asyncio.to_thread(_compress, text))


async def lines_after(objects: Objects, stream: str, after: LineId) -> list[Line]:
    """Return the lines after `after` of all attempts, with the end mark of the last one; none if nothing is stored."""
    found: list[Line] = []
    attempt = first = max(after.attempt, 1)
    newest = first - 1
    while attempt - newest <= MISSING_ATTEMPTS:
        text = await _get(objects, stream, attempt)
        if text is not None:
            newest = attempt
            found = [line for line in found if not line.end]
            found += [line for line in _lines(attempt, text) if line.id > after]
        attempt += 1
    return found


async def _get(objects: Objects, stream: str, attempt: int) -> bytes | None:
    name = _name(stream, attempt)
    if not await objects.exists(KIND, name):
        return None
    try:
        return await asyncio.to_thread(_decompress, b"".join([chunk async for chunk in objects.read(KIND, name)]))
    except NotFound:
        return None


def _name(stream: str, attempt: int) -> str:
    return f"{stream}.{attempt}"


def _compress(text: bytes) -> bytes:
    return zstandard.ZstdCompressor().compress(text)


def _decompress(body: bytes) -> bytes:
    return zstandard.ZstdDecompressor().decompress(body)


def _lines(attempt: int, text: bytes) -> Iterator[Line]:
    texts = text.decode(errors="replace").split("\n")[:-1]
    for number, line in enumerate(texts, start=1):
        yield Line(LineId(attempt, number), line)
    yield Line(LineId(attempt, len(texts) + 1), "", end=True)
