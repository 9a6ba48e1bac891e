"""The panel's git repositories."""

from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import datetime
from typing import Protocol

from skypanel.domain.commit import Note
from skypanel.domain.comparison import FileChanges
from skypanel.domain.ids import AppId
from skypanel.domain.push import Kind, Tree
from skypanel.domain.submodule import SubmoduleTree


class Repositories(Protocol):
    """Bare git repositories, named by app id."""

    async def create(self, app_id: AppId) -> None:
        """Create an empty repository; an existing one stays."""
        ...

    def path(self, app_id: AppId) -> str: ...

    async def refs(self, app_id: AppId) -> Mapping[str, str]:
        """Return ref -> object id (hex), without HEAD. Raises NotFound."""
        ...

    async def head(self, app_id: AppId) -> str:
        """Return the ref that a clone checks out, which was deployed last; the ref itself may be missing. Raises NotFound."""
        ...

    async def kind(self, app_id: AppId, name: str, quarantine: str | None = None) -> Kind:
        """Return the type of an object. Raises Invalid if it is missing or unreadable."""
        ...

    async def largest(self, app_id: AppId, quarantine: str) -> tuple[str, int]:
        """Return the largest object in a quarantine and its size in bytes. Raises Invalid if they cannot be counted."""
        ...

    async def contains(self, app_id: AppId, old: str, new: str, quarantine: str | None = None) -> bool:
        """Whether commit `old` is in the history of commit `new`.

        `quarantine`, here and below, is the folder of objects that are pushed but not accepted yet.
        """
        ...

    async def tree(self, app_id: AppId, commit: str, quarantine: str | None = None) -> Tree:
        """Read a commit's tree. Raises Invalid if it is not a commit, or contains forbidden paths."""
        ...

    async def note(self, app_id: AppId, commit: str, quarantine: str | None = None) -> Note:
        """Return the subject and author of a commit. Raises Invalid."""
        ...

    async def changes(self, app_id: AppId, old: str, new: str, limit: int) -> FileChanges:
        """Return at most `limit` paths that differ between two commits. Raises NotFound or Invalid if one is missing or unreadable."""
        ...

    def export(
        self, app_id: AppId, commit: str, quarantine: str | None = None, submodules: Sequence[SubmoduleTree] = ()
    ) -> AsyncIterator[bytes]:
        """Yield a commit's files, including those of `submodules`, as a zstd tar. Equal trees give equal bytes."""
        ...

    async def point_head(self, app_id: AppId, ref: str) -> None:
        """Set the ref that a clone checks out."""
        ...

    async def size_bytes(self, app_id: AppId) -> int:
        """Return the size of a repository on disk, including a push in progress."""
        ...

    async def remove(self, app_id: AppId) -> None:
        """Remove a repository; a missing one is no error."""
        ...

    async def unborn(self, before: datetime) -> Sequence[AppId]:
        """Return the repositories that were created before then and have no ref yet."""
        ...

    async def sweep(self, before: datetime) -> None:
        """Delete what pushes that were interrupted before then left behind."""
        ...
