"""Objects in the storage of the current settings. The settings are read at each use, so a change applies at once."""

from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable, Sequence
from datetime import datetime

from skypanel.domain.storage import ObjectKind, Storage, Storages, StoredObject
from skypanel.ports.objects import Objects, OpenObjects, Stored


class ChosenObjects:
    """Writes to the current storage. Reads from it, or from the previous one if an object was not moved yet."""

    def __init__(self, chosen: Callable[[], Awaitable[Storages]], open_objects: OpenObjects) -> None:
        self._chosen = chosen
        self._open = open_objects
        self._opened: dict[Storage, Objects] = {}

    async def add(self, kind: ObjectKind, chunks: AsyncIterable[bytes], max_bytes: int | None = None) -> Stored:
        """Write an object under the digest of its bytes. If it fails, nothing is left behind."""
        return await (await self._places())[0].add(kind, chunks, max_bytes)

    async def read(self, kind: ObjectKind, digest: str) -> AsyncIterator[bytes]:
        """Yield an object's bytes. Raises NotFound, or Unavailable before the end of a damaged object."""
        async for chunk in (await self._holder(kind, digest)).read(kind, digest):
            yield chunk

    async def put(self, kind: ObjectKind, name: str, body: bytes) -> None:
        """Write a small object under a given name, in place of an earlier one."""
        await (await self._places())[0].put(kind, name, body)

    async def exists(self, kind: ObjectKind, digest: str) -> bool:
        """Whether an object exists."""
        for place in await self._places():
            if await place.exists(kind, digest):
                return True
        return False

    async def delete(self, kind: ObjectKind, digest: str, before: datetime | None = None) -> None:
        """Delete an object from all storages. A missing one is no error."""
        for place in await self._places():
            await place.delete(kind, digest, before)

    async def list(self, kind: ObjectKind) -> AsyncIterator[StoredObject]:
        """Yield the objects of the current storage."""
        async for kept in (await self._places())[0].list(kind):
            yield kept

    async def url(self, kind: ObjectKind, digest: str, life_s: float) -> str | None:
        """Return a URL that is valid for `life_s` without credentials, or None if only the panel can read the object."""
        return await (await self._holder(kind, digest)).url(kind, digest, life_s)

    async def sweep(self, before: datetime) -> None:
        """Delete unfinished writes from before `before` of killed writers."""
        for place in await self._places():
            await place.sweep(before)

    async def close(self) -> None:
        """Close all connections. The next use opens new ones."""
        opened, self._opened = self._opened, {}
        for objects in opened.values():
            await objects.close()

    async def _holder(self, kind: ObjectKind, digest: str) -> Objects:
        """Return the current storage if it has the object or is the only one, otherwise the previous one."""
        current, *others = await self._places()
        if others and not await current.exists(kind, digest):
            return others[0]
        return current

    async def _places(self) -> Sequence[Objects]:
        """Return the current storage, and the previous one if some objects may only be there."""
        chosen = await self._chosen()
        wanted = [storage for storage in (chosen.current, chosen.before) if storage is not None]
        for storage in self._opened.keys() - set(wanted):
            await self._opened.pop(storage).close()
        for storage in wanted:
            if storage not in self._opened:
                self._opened[storage] = self._open(storage)
        return [self._opened[storage] for storage in wanted]
