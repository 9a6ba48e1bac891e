"""Objects in a directory: `<kind>/<2 hex>/<name>`, written beside and renamed into place."""

import asyncio
import errno
import hashlib
import os
import time
from collections.abc import AsyncIterable, AsyncIterator, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import IO
from urllib.parse import quote

from skypanel.domain.errors import Invalid, NotFound, Unavailable
from skypanel.domain.transcript import size
from skypanel.ports import Stored

KINDS = frozenset({"sources", "slugs", "outputs"})
CHUNK_BYTES = 1024 * 1024
STALE_S = 60 * 60
UNFINISHED = "unfinished"


class FileObjects:
    """Content-addressed storage on the local disk; `root` is this driver's own directory."""

    def __init__(self, root: Path) -> None:
        self._root = root

    async def add(self, kind: str, chunks: AsyncIterable[bytes], max_bytes: int | None = None) -> Stored:
        """Write an object under the digest of its bytes; nothing is left behind if it fails."""
        directory = self._directory(kind)
        file = await asyncio.to_thread(self._begin)
        try:
            stored = await _copy(chunks, file, max_bytes)
            await asyncio.to_thread(_publish, file, directory / _place(stored.digest))
        finally:
            await asyncio.to_thread(_discard, file)
        return stored

    async def read(self, kind: str, digest: str) -> AsyncIterator[bytes]:
        """Yield an object's bytes. Raises NotFound."""
        file = await asyncio.to_thread(_open, self._path(kind, digest))
        try:
            while chunk := await asyncio.to_thread(_read, file):
                yield chunk
        finally:
            file.close()

    async def put(self, kind: str, name: str, body: bytes) -> None:
        """Write a small object under a name of its own, replacing what was there."""
        await asyncio.to_thread(self._put, self._path(kind, name), body)

    async def exists(self, kind: str, digest: str) -> bool:
        """Whether there is such an object."""
        return await asyncio.to_thread(self._path(kind, digest).is_file)

    async def delete(self, kind: str, digest: str) -> None:
        """Delete an object; one that is not there is no error."""
        await asyncio.to_thread(_delete, self._path(kind, digest))

    def _directory(self, kind: str) -> Path:
        if kind not in KINDS:
            raise Invalid(f"There are no objects of the kind {kind!r}.")
        return self._root / kind

    def _path(self, kind: str, name: str) -> Path:
        return self._directory(kind) / _place(name)

    def _begin(self) -> IO[bytes]:
        with _translated():
            directory = self._root / UNFINISHED
            directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            _sweep(directory, STALE_S)
            return NamedTemporaryFile(dir=directory, buffering=0, delete=False)

    def _put(self, path: Path, body: bytes) -> None:
        file = self._begin()
        try:
            _write(file, body)
            _publish(file, path)
        finally:
            _discard(file)


def _place(name: str) -> Path:
    """Return where an object lies in the directory of its kind."""
    if not name or name.startswith("."):
        raise Invalid(f"{name!r} cannot name an object.")
    return Path(hashlib.sha256(name.encode()).hexdigest()[:2]) / quote(name, safe="")


async def _copy(chunks: AsyncIterable[bytes], file: IO[bytes], max_bytes: int | None) -> Stored:
    digest, total, buffer = hashlib.sha256(), 0, bytearray()

    def flush(body: bytes) -> None:
        digest.update(body)
        _write(file, body)

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


def _write(file: IO[bytes], body: bytes) -> None:
    view = memoryview(body)
    with _translated():
        while view:
            view = view[file.write(view) :]


def _publish(file: IO[bytes], path: Path) -> None:
    """Make a finished file an object: on the disk before it has its name, and its name on the disk before it counts."""
    with _translated():
        os.fsync(file.fileno())
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        Path(file.name).replace(path)
        directory = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(directory)
        finally:
            os.close(directory)


def _discard(file: IO[bytes]) -> None:
    file.close()
    with suppress(OSError):
        Path(file.name).unlink()


def _open(path: Path) -> IO[bytes]:
    with _translated():
        try:
            return path.open("rb", buffering=0)
        except FileNotFoundError:
            raise NotFound(f"There is no object {path.name}.") from None


def _read(file: IO[bytes]) -> bytes:
    with _translated():
        return file.read(CHUNK_BYTES)


def _delete(path: Path) -> None:
    with _translated():
        path.unlink(missing_ok=True)


def _sweep(directory: Path, older_than_s: float) -> None:
    """Delete what writers that were killed left unfinished."""
    oldest = time.time() - older_than_s
    for path in directory.glob("*"):
        with suppress(FileNotFoundError):
            if path.stat().st_mtime < oldest:
                path.unlink()


@contextmanager
def _translated() -> Iterator[None]:
    """Turn the errors of a disk into Unavailable."""
    try:
        yield
    except OSError as error:
        if error.errno in {errno.ENOSPC, errno.EDQUOT}:
            raise Unavailable("The disk of the panel's storage is full.", "Free some space on it, then try again.") from error
        raise Unavailable(f"The panel's storage fails: {error.strerror}.", "Look at its disk and permissions, then try again.") from error
