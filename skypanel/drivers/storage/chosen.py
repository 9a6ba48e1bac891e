"""Objects wherever the settings say, asked anew at each use: nothing is opened before, and a change counts at once."""

from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable, Sequence
from datetime import datetime

from skypanel.domain.storage import Kept, ObjectKind, Storage, Storages
from skypanel.ports.objects import Objects, OpenObjects, Stored


class ChosenObjects:
    """Writes to the current storage; reads from there, or from the one before what was not moved yet."""

    def __init__(self, chosen: Callable[[], Awaitable[Storages]], open_objects: OpenObjects) -> None:
        self._chosen = chosen
        self._open = open_objects
        self._opened: dict[Storage, Objects] = {}

    async def add(self, kind: ObjectKind, chunks: AsyncIterable[bytes], max_bytes: int | None = None) -> Stored:
        """Write an object under the digest of its bytes; nothing is left behind if it fails."""
        return await (await self._places())[0].add(kind, chunks, max_bytes)

    async def read(self, kind: ObjectKind, digest: str) -> AsyncIterator[bytes]:
        """Yield an object's bytes. Raises NotFound, and Unavailable before the end of one that is damaged."""
        async for chunk in (await self._holder(kind, digest)).read(kind, digest):
            yield chunk

    async def put(self, kind: ObjectKind, name: str, body: bytes) -> None:
        """Write a small object under a name of its own, replacing what was there."""
        await (await self._places())[0].put(kind, name, body)

    async def exists(self, kind: ObjectKind, digest: str) -> bool:
        """Whether there is such an object."""
        for place in await self._places():
            if await place.exists(kind, digest):
                return True
        return False

    async def delete(self, kind: ObjectKind, digest: str, before: datetime | None = None) -> None:
        """Delete an object, wherever it is; one that is not there is no error."""
        for place in await self._places():
            await place.delete(kind, digest, before)

    async def list(self, kind: ObjectKind) -> AsyncIterator[Kept]:
        """Yield what is in the current storage."""
        async for kept in (await self._places())[0].list(kind):
            yield kept

    async def url(self, kind: ObjectKind, digest: str, life_s: float) -> str | None:
        """Return where anyone may fetch an object for `life_s`; None where only the panel itself can read it."""
        return await (await self._holder(kind, digest)).url(kind, digest, life_s)

    async def sweep(self, before: datetime) -> None:
        """Remove what writers left unfinished that were killed before then."""
        for place in await self._places():
            await place.sweep(before)

    async def close(self) -> None:
        """Let go of connections; the next use makes new ones."""
        opened, self._opened = self._opened, {}
        for objects in opened.values():
            await objects.close()

    async def _holder(self, kind: ObjectKind, digest: str) -> Objects:
        """Return where an object is; the current storage if it is nowhere."""
        current, *others = await self._places()
        if others and not await current.exists(kind, digest):
            return others[0]
        return current

    async def _places(self) -> Sequence[Objects]:
        """Return the current storage, then the one before if there may be objects in it alone."""
        chosen = await self._chosen()
        wanted = [storage for storage in (chosen.current, chosen.before) if storage is not None]
        for storage in self._opened.keys() - set(wanted):
            await self._opened.pop(storage).close()
        for storage in wanted:
            if storage not in self._opened:
                self._opened[storage] = self._open(storage)
        return [self._opened[storage] for storage in wanted]
