"""The panel's git repositories."""

from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import datetime
from typing import Protocol

from skypanel.domain.ids import AppId
from skypanel.domain.push import Kind, Tree
from skypanel.domain.submodule import Part


class Repositories(Protocol):
    """Bare git repositories, named by app id."""

    async def create(self, app_id: AppId) -> None:
        """Make an empty one; one that is there is kept."""
        ...

    def path(self, app_id: AppId) -> str: ...

    async def refs(self, app_id: AppId) -> Mapping[str, str]:
        """Return ref -> object id (hex), without HEAD. Raises NotFound."""
        ...

    async def head(self, app_id: AppId) -> str:
        """Return the ref that a clone checks out, which was deployed last, whether it is there or not. Raises NotFound."""
        ...

    async def kind(self, app_id: AppId, name: str, quarantine: str | None = None) -> Kind:
        """Say what an object is. Raises Invalid if it is missing or cannot be read."""
        ...

    async def largest(self, app_id: AppId, quarantine: str) -> tuple[str, int]:
        """Return the largest of the objects in a quarantine, and its size in bytes. Raises Invalid if they cannot be counted."""
        ...

    async def contains(self, app_id: AppId, old: str, new: str, quarantine: str | None = None) -> bool:
        """Whether commit `old` is part of the history of commit `new`.

        `quarantine` is the folder of objects that are pushed and not accepted yet, here and below.
        """
        ...

    async def tree(self, app_id: AppId, commit: str, quarantine: str | None = None) -> Tree:
        """Look through a commit's tree. Raises Invalid if it is no commit, or its paths are not to be written."""
        ...

    def export(self, app_id: AppId, commit: str, quarantine: str | None = None, parts: Sequence[Part] = ()) -> AsyncIterator[bytes]:
        """Yield a commit's files as a zstd tar, those of submodules where `parts` has them; the same tree makes the same bytes."""
        ...

    async def point_head(self, app_id: AppId, ref: str) -> None:
        """Make `ref` what a clone checks out."""
        ...

    async def size_bytes(self, app_id: AppId) -> int:
        """Return what a repository holds on disk, with what is being pushed to it."""
        ...

    async def remove(self, app_id: AppId) -> None:
        """Remove a repository; one that is not there is no error."""
        ...

    async def unborn(self, before: datetime) -> Sequence[AppId]:
        """Return the repositories made before then that have no ref yet."""
        ...

    async def sweep(self, before: datetime) -> None:
        """Remove what pushes left behind that were cut off before then."""
        ...
