"""The cache of runtimes for a panel's builds, in a folder of its own."""

import asyncio
import fcntl
import hashlib
import os
import shutil
from collections.abc import AsyncIterator, Awaitable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Protocol

from skypanel.domain.errors import NotFound, Unavailable
from skypanel.domain.runtime import Runtime
from skypanel.drivers.runtimes import node, python

KEPT_BYTES = 4 * 1024**3


class Source(Protocol):
    """Where the runtimes of a language come from."""

    def offered(self, base: str) -> Awaitable[dict[str, Runtime]]:
        """Return the available runtimes by version. Raises Unavailable."""
        ...

    def fetch(self, runtime: Runtime, folder: Path, base: str) -> Awaitable[None]:
        """Write the files from which a build installs it to a folder. Raises Unavailable, NotFound, OSError."""
        ...


_SOURCES: Mapping[str, Source] = {python.LANGUAGE: python, node.LANGUAGE: node}
_BLOCK_BYTES = 1024**2
_ASK_AGAIN_S = 0.1


class KeptRuntimes:
    """The Runtimes port. All processes of a panel share the folder. Each runtime is a subfolder that appears atomically."""

    def __init__(self, folder: Path, kept_bytes: int = KEPT_BYTES) -> None:
        self._folder = folder
        self._kept_bytes = kept_bytes

    async def offered(self, language: str, mirror: str) -> Mapping[str, Runtime]:
        """Return the available runtimes by version. Raises Unavailable."""
        return await _SOURCES[language].offered(mirror)

    async def kept(self, runtimes: Mapping[str, Runtime]) -> list[str]:
        """Return the cached versions, which need no network."""
        return [version for version, runtime in runtimes.items() if self.place(runtime).exists()]

    def place(self, runtime: Runtime) -> Path:
        """Return the folder of a runtime. Its name derives from the digest, or from the URL if only uv knows the digest."""
        return self._folder / hashlib.sha256((runtime.sha256 or runtime.url).encode()).hexdigest()

    async def fetch(self, runtime: Runtime, mirror: str) -> None:
        """Fetch a runtime unless it is cached. Concurrent calls wait for the first one. Raises Unavailable."""
        place = self.place(runtime)
        async with self._locked(place.name):
            if not place.exists():
                await self._make(runtime, mirror, place)
            os.utime(place)
        await asyncio.to_thread(self._delete_least_used, place)

    async def read(self, runtime: Runtime) -> AsyncIterator[bytes]:
        """Yield a cached runtime as a tar. Raises Unavailable."""
        process = await asyncio.create_subprocess_exec(
            *("tar", "-c", "-C", str(self.place(runtime)), "."), stdout=asyncio.subprocess.PIPE, stdin=asyncio.subprocess.DEVNULL
        )
        assert process.stdout is not None  # noqa: S101 - a pipe was asked for
        try:
            while chunk := await process.stdout.read(_BLOCK_BYTES):
                yield chunk
            if await process.wait() != 0:
                raise Unavailable(f"The cached copy of {runtime.name} could not be read.", "Push again.")
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()

    async def _make(self, runtime: Runtime, mirror: str, place: Path) -> None:
        part = place.with_suffix(".part")
        await asyncio.to_thread(shutil.rmtree, part, ignore_errors=True)
        part.mkdir()
        try:
            await _SOURCES[runtime.language].fetch(runtime, part, mirror)
            part.rename(place)
        except NotFound as error:
            raise Unavailable(f"It is not there: {error.message}") from error
        except OSError as error:
            raise Unavailable(f"It could not be kept: {error.strerror or error}.") from error
        finally:
            await asyncio.to_thread(shutil.rmtree, part, ignore_errors=True)

    @asynccontextmanager
    async def _locked(self, name: str) -> AsyncIterator[None]:
        """Hold the file lock of one runtime. The kernel releases it if the process dies."""
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with (self._folder / f"{name}.lock").open("w") as lock:
            while not _try_lock(lock.fileno()):  # noqa: ASYNC110 - the kernel has no event for a free lock
                await asyncio.sleep(_ASK_AGAIN_S)
            yield

    def _delete_least_used(self, wanted: Path) -> None:
        places = [path for path in self._folder.iterdir() if path.is_dir() and not path.suffix and path != wanted]
        left = self._kept_bytes - _size(wanted)
        for place in sorted(places, key=lambda path: path.stat().st_mtime, reverse=True):
            left -= _size(place)
            if left < 0:
                shutil.rmtree(place, ignore_errors=True)


def _try_lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
