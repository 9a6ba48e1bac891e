"""Receives the bytes of an object: hashes them and writes them to a file as they come."""

import asyncio
import errno
import hashlib
from collections.abc import AsyncIterable, Iterator
from contextlib import contextmanager
from typing import IO
from urllib.parse import quote

from skypanel.domain.errors import Invalid, Unavailable
from skypanel.domain.storage import ObjectKind
from skypanel.domain.transcript import size
from skypanel.ports.objects import Stored

CHUNK_BYTES = 1024 * 1024


def check_kind(kind: ObjectKind) -> ObjectKind:
    """Return `kind` if it is valid. Raises Invalid."""
    if kind not in set(ObjectKind):
        raise Invalid(f"There are no objects of the kind {kind!r}.")
    return kind


def file_name(name: str) -> str:
    """Return an object's name as a file name. Raises Invalid."""
    if not name or name.startswith("."):
        raise Invalid(f"{name!r} cannot name an object.")
    return quote(name, safe="")


async def copy(chunks: AsyncIterable[bytes], file: IO[bytes], max_bytes: int | None) -> Stored:
    """Write chunks to an unbuffered file. Raises Invalid if they exceed `max_bytes`, Unavailable if the disk fails."""
    digest, total, buffer = hashlib.sha256(), 0, bytearray()

    def flush(body: bytes) -> None:
        digest.update(body)
        write(file, body)

    async for chunk in chunks:
        total += len(chunk)
        if max_bytes is not None and total > max_bytes:
            raise Invalid(f"It is larger than the {size(max_bytes)} that are allowed.")
        buffer += chunk
        if len(buffer) >= CHUNK_BYTES:
            body, buffer = bytes(buffer), bytearray()
            await asyncio.to_thread(flush, body)
    await asyncio.to_thread(flush, bytes(buffer))
    return Stored(digest.hexdigest(), total)


def write(file: IO[bytes], body: bytes) -> None:
    """Write all of a body to an unbuffered file. Raises Unavailable."""
    view = memoryview(body)
    with disk_errors():
        while view:
            view = view[file.write(view) :]


@contextmanager
def disk_errors() -> Iterator[None]:
    """Translate errors of a disk into Unavailable."""
    try:
        yield
    except OSError as error:
        if error.errno in {errno.ENOSPC, errno.EDQUOT}:
            raise Unavailable("The disk of the panel's storage is full.", "Free some space on it, then try again.") from error
        raise Unavailable(f"The panel's storage fails: {error.strerror}.", "Check its disk and permissions, then try again.") from error
