"""Object storage."""

from collections.abc import AsyncIterable, AsyncIterator, Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from skypanel.domain.storage import ObjectKind, Storage, StoredObject


@dataclass(frozen=True)
class Stored:
    """A stored object: its SHA-256 in hex and its size."""

    digest: str
    size_bytes: int


class Objects(Protocol):
    """Content-addressed object storage."""

    async def add(self, kind: ObjectKind, chunks: AsyncIterable[bytes], max_bytes: int | None = None) -> Stored:
        """Store an object under the digest of its bytes; a failure leaves nothing behind.

        An object that exists is written again, which renews its age. Raises Invalid if it has more than `max_bytes`, Unavailable if storage
        fails.
        """
        ...

    def read(self, kind: ObjectKind, digest: str) -> AsyncIterator[bytes]:
        """Yield an object's bytes. Raises NotFound, and Unavailable before the end if the object is damaged."""
        ...

    async def put(self, kind: ObjectKind, name: str, body: bytes) -> None:
        """Store a small object under a given name, in place of any other."""
        ...

    async def exists(self, kind: ObjectKind, digest: str) -> bool: ...

    async def delete(self, kind: ObjectKind, digest: str, before: datetime | None = None) -> None:
        """Delete an object; with `before`, only if it was written before that time. A missing one is no error."""
        ...

    def list(self, kind: ObjectKind) -> AsyncIterator[StoredObject]:
        """Yield all objects of a kind, in no order."""
        ...

    async def url(self, kind: ObjectKind, digest: str, life_s: float) -> str | None:
        """Return a URL from which anyone can fetch an object for `life_s` seconds, or None if only the panel can read it.

        The URL is a secret. The object need not exist.
        """
        ...

    async def sweep(self, before: datetime) -> None:
        """Delete the unfinished writes of writers that were killed before then."""
        ...

    async def close(self) -> None:
        """Close connections; later use opens new ones."""
        ...


OpenObjects = Callable[[Storage], Objects]
