"""Objects in a directory: `<kind>/<2 hex>/<name>`, written to a temporary file and renamed."""

import asyncio
import hashlib
import os
from collections.abc import AsyncIterable, AsyncIterator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import IO
from urllib.parse import unquote

from skypanel.domain.errors import NotFound
from skypanel.domain.storage import ObjectKind, StoredObject
from skypanel.drivers.storage.intake import CHUNK_BYTES, check_kind, copy, disk_errors, file_name, write
from skypanel.ports.objects import Stored

UNFINISHED = "unfinished"


class FileObjects:
    """Content-addressed storage on the local disk. `root` belongs to this driver alone."""

    def __init__(self, root: Path) -> None:
        self._root = root

    async def add(self, kind: ObjectKind, chunks: AsyncIterable[bytes], max_bytes: int | None = None) -> Stored:
        """Write an object under the digest of its bytes. If it fails, nothing is left behind."""
        directory = self._directory(kind)
        file = await asyncio.to_thread(self._begin)
        try:
            stored = await copy(chunks, file, max_bytes)
            await asyncio.to_thread(_publish, file, directory / _place(stored.digest))
        finally:
            await asyncio.to_thread(_discard, file)
        return stored

    async def read(self, kind: ObjectKind, digest: str) -> AsyncIterator[bytes]:
        """Yield an object's bytes. Raises NotFound."""
        file = await asyncio.to_thread(_open, self._path(kind, digest))
        try:
            while chunk := await asyncio.to_thread(_read, file):
                yield chunk
        finally:
            file.close()

    async def put(self, kind: ObjectKind, name: str, body: bytes) -> None:
        """Write a small object under a given name, in place of an earlier one."""
        await asyncio.to_thread(self._put, self._path(kind, name), body)

    async def exists(self, kind: ObjectKind, digest: str) -> bool:
        """Whether an object exists."""
        return await asyncio.to_thread(self._path(kind, digest).is_file)

    async def delete(self, kind: ObjectKind, digest: str, before: datetime | None = None) -> None:
        """Delete an object; with `before`, only if it was written earlier. A missing one is no error."""
        await asyncio.to_thread(_delete, self._path(kind, digest), before)

    async def list(self, kind: ObjectKind) -> AsyncIterator[StoredObject]:
        """Yield the objects of a kind, folder by folder."""
        directory = self._directory(kind)
        for folder in await asyncio.to_thread(_entries, directory):
            for kept in await asyncio.to_thread(_kept, folder):
                yield kept

    async def url(self, kind: ObjectKind, digest: str, life_s: float) -> str | None:  # noqa: ARG002 - as in ports
        """Return None: only the panel can read the folder."""
        return None

    async def sweep(self, before: datetime) -> None:
        """Delete unfinished writes from before `before` of killed writers."""
        await asyncio.to_thread(_sweep, self._root / UNFINISHED, before)

    async def close(self) -> None:
        """Do nothing: no file stays open."""

    def _directory(self, kind: ObjectKind) -> Path:
        return self._root / check_kind(kind)

    def _path(self, kind: ObjectKind, name: str) -> Path:
        return self._directory(kind) / _place(name)

    def _begin(self) -> IO[bytes]:
        with disk_errors():
            directory = self._root / UNFINISHED
            directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            return NamedTemporaryFile(dir=directory, buffering=0, delete=False)

    def _put(self, path: Path, body: bytes) -> None:
        file = self._begin()
        try:
            write(file, body)
            _publish(file, path)
        finally:
            _discard(file)


def _place(name: str) -> Path:
    """Return the path of an object in the directory of its kind."""
    return Path(hashlib.sha256(name.encode()).hexdigest()[:2]) / file_name(name)


def _publish(file: IO[bytes], path: Path) -> None:
    """Make a finished file an object, durably and atomically: sync the file, rename it, sync the directory."""
    with disk_errors():
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
    with disk_errors():
        try:
            return path.open("rb", buffering=0)
        except FileNotFoundError:
            raise NotFound(f"There is no object {path.name}.") from None


def _read(file: IO[bytes]) -> bytes:
    with disk_errors():
        return file.read(CHUNK_BYTES)


def _delete(path: Path, before: datetime | None) -> None:
    with disk_errors(), suppress(FileNotFoundError):
        if before is None or _modified_at(path) < before:
            path.unlink()


def _entries(folder: Path) -> list[Path]:
    with disk_errors(), suppress(FileNotFoundError, NotADirectoryError):
        return list(folder.iterdir())
    return []


def _kept(folder: Path) -> list[StoredObject]:
    found = []
    for path in _entries(folder):
        with disk_errors(), suppress(FileNotFoundError):
            found.append(StoredObject(unquote(path.name), _modified_at(path)))
    return found


def _sweep(directory: Path, before: datetime) -> None:
    for path in _entries(directory):
        _delete(path, before)


def _modified_at(path: Path) -> datetime:
    return datetime.fromtimestamp(path.stat().st_mtime, tz=UTC)
