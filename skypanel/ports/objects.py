"""Object storage."""

from collections.abc import AsyncIterable, AsyncIterator, Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from skypanel.domain.storage import Kept, ObjectKind, Storage


@dataclass(frozen=True)
class Stored:
    """An object that was written: its SHA-256 in hex and its size."""

    digest: str
    size_bytes: int


class Objects(Protocol):
    """Content-addressed storage."""

    async def add(self, kind: ObjectKind, chunks: AsyncIterable[bytes], max_bytes: int | None = None) -> Stored:
        """Write an object under the digest of its bytes; nothing is left behind if it fails.

        One that is there already is written anew, so that it counts as young. Raises Invalid once `max_bytes` is
        passed, Unavailable if storage fails.
        """
        ...

    def read(self, kind: ObjectKind, digest: str) -> AsyncIterator[bytes]:
        """Yield an object's bytes. Raises NotFound, and Unavailable before the end of one that is damaged."""
        ...

    async def put(self, kind: ObjectKind, name: str, body: bytes) -> None:
        """Write a small object under a name of its own, replacing what was there."""
        ...

    async def exists(self, kind: ObjectKind, digest: str) -> bool: ...

    async def delete(self, kind: ObjectKind, digest: str, before: datetime | None = None) -> None:
        """Delete an object, where a time is given only if it was written before; one that is not there is no error."""
        ...

    def list(self, kind: ObjectKind) -> AsyncIterator[Kept]:
        """Yield what is there, in no order."""
        ...

    async def url(self, kind: ObjectKind, digest: str, life_s: float) -> str | None:
        """Return where anyone may fetch an object for `life_s`; None where only the panel itself can read it.

        The URL is a secret. Whether there is such an object is not looked at.
        """
        ...

    async def sweep(self, before: datetime) -> None:
        """Remove what writers left unfinished that were killed before then."""
        ...

    async def close(self) -> None:
        """Let go of connections; the next use makes new ones."""
        ...


OpenObjects = Callable[[Storage], Objects]
