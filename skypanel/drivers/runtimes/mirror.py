"""Reads a mirror of runtimes: a folder, or an HTTP server."""

import hashlib
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import unquote, urlsplit

import aiohttp

from skypanel.domain.errors import NotFound, Unavailable

MAX_INDEX_BYTES = 32 * 1024**2
MAX_ARCHIVE_BYTES = 1024**3
_BLOCK_BYTES = 1024**2
_PATIENCE = aiohttp.ClientTimeout(total=600, sock_connect=10, sock_read=60)


def is_folder(place: str) -> bool:
    """Whether a mirror is a folder of this machine."""
    return place.startswith("/")


async def text(place: str) -> str:
    """Return a small file of a mirror. Raises NotFound if it is missing, Unavailable if it cannot be read."""
    body = bytearray()
    async for chunk in chunks(place):
        body += chunk
        if len(body) > MAX_INDEX_BYTES:
            raise Unavailable(f"{place} is larger than {MAX_INDEX_BYTES} bytes.")
    return body.decode(errors="replace")


async def download(place: str, sha256: str, target: Path) -> None:
    """Write a file of a mirror to `target` and check its digest. Raises NotFound, Unavailable."""
    digest, size = hashlib.sha256(), 0
    with target.open("wb") as file:
        async for chunk in chunks(place):
            digest.update(chunk)
            size += len(chunk)
            if size > MAX_ARCHIVE_BYTES:
                raise Unavailable(f"{place} is larger than {MAX_ARCHIVE_BYTES} bytes.")
            file.write(chunk)
    if digest.hexdigest() != sha256:
        raise Unavailable(f"{place} is not the file in its index: its SHA-256 is {digest.hexdigest()}.")


async def chunks(place: str) -> AsyncIterator[bytes]:
    """Yield the bytes of a mirror's file. Raises NotFound, Unavailable."""
    async for chunk in _of_folder(Path(unquote(place))) if is_folder(place) else _of_server(place):
        yield chunk


async def _of_folder(path: Path) -> AsyncIterator[bytes]:
    try:
        with path.open("rb") as file:
            while block := file.read(_BLOCK_BYTES):
                yield block
    except (FileNotFoundError, NotADirectoryError):
        raise NotFound(f"There is no {path}.") from None
    except OSError as error:
        raise Unavailable(f"{path} could not be read: {error.strerror}.") from error


async def _of_server(url: str) -> AsyncIterator[bytes]:
    try:
        # trust_env takes a proxy from the environment, as urllib and uv do
        async with aiohttp.ClientSession(timeout=_PATIENCE, trust_env=True) as session, session.get(url) as response:
            if response.status in {404, 410}:
                raise NotFound(f"There is no {url}.")
            response.raise_for_status()
            async for chunk in response.content.iter_chunked(_BLOCK_BYTES):
                yield chunk
    except aiohttp.ClientResponseError as error:
        raise Unavailable(f"{urlsplit(url).hostname} answered with {error.status}.") from error
    except (aiohttp.ClientError, OSError, TimeoutError) as error:
        raise Unavailable(f"The network failed: {urlsplit(url).hostname} does not answer ({error or type(error).__name__}).") from error
