"""The panel's repositories: bare git repositories in a folder, made and read with dulwich."""

import asyncio
import fcntl
import os
import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager, suppress
from datetime import datetime
from pathlib import Path
from typing import cast
from uuid import UUID

from dulwich.graph import can_fast_forward
from dulwich.object_store import PackBasedObjectStore
from dulwich.objects import ObjectID
from dulwich.refs import HEADREF, Ref
from dulwich.repo import Repo

from skypanel.domain.app import DEFAULT_DEPLOY_BRANCHES
from skypanel.domain.commit import Note
from skypanel.domain.comparison import FileChanges
from skypanel.domain.errors import NotFound
from skypanel.domain.ids import AppId
from skypanel.domain.push import Kind, Tree
from skypanel.domain.submodule import SubmoduleTree
from skypanel.drivers.git import archive as git_archive
from skypanel.drivers.git import census as git_census
from skypanel.drivers.git.objects import BoundedStore

SUFFIX = ".git"
REMOVED = ".removed"
UNFINISHED = "new-"
FETCHED = "fetch-"
LEFTOVERS = (f"*{SUFFIX}/objects/tmp_objdir-incoming-*", f"*{REMOVED}", f"{UNFINISHED}*")
PARALLEL_EXPORTS = 3


class DulwichRepositories:
    """The port Repositories. Blocking calls run in threads."""

    def __init__(self, root: Path) -> None:
        self._root = root
        # Each may hold one or two files of the maximum size in memory.
        self._exports = asyncio.Semaphore(PARALLEL_EXPORTS)

    def path(self, app_id: AppId) -> str:
        """Return the repository's folder."""
        return str(self._root / f"{app_id}{SUFFIX}")

    async def create(self, app_id: AppId) -> None:
        """Make an empty repository, unless it exists."""
        await asyncio.to_thread(_create, Path(self.path(app_id)))

    async def refs(self, app_id: AppId) -> Mapping[str, str]:
        """Return the object ids (hex) by ref, without HEAD. Raises NotFound."""
        return await asyncio.to_thread(_refs, self.path(app_id))

    async def head(self, app_id: AppId) -> str:
        """Return the ref that a clone checks out. Raises NotFound."""
        return await asyncio.to_thread(_head, self.path(app_id))

    async def kind(self, app_id: AppId, name: str, quarantine: str | None = None) -> Kind:
        """Return the type of an object. Raises Invalid."""
        return await asyncio.to_thread(self._kind, app_id, name, quarantine)

    async def largest(self, app_id: AppId, quarantine: str) -> tuple[str, int]:
        """Return the largest pushed object and its size in bytes. Raises Invalid."""
        return await git_census.largest(self.path(app_id), quarantine)

    async def contains(self, app_id: AppId, old: str, new: str, quarantine: str | None = None) -> bool:
        """Whether commit `old` is in the history of commit `new`."""
        return await asyncio.to_thread(self._contains, app_id, old, new, quarantine)

    async def tree(self, app_id: AppId, commit: str, quarantine: str | None = None) -> Tree:
        """Return what a commit's tree contains. Raises Invalid."""
        return await asyncio.to_thread(self._tree, app_id, commit, quarantine)

    async def note(self, app_id: AppId, commit: str, quarantine: str | None = None) -> Note:
        """Return the subject and author of a commit. Raises Invalid."""
        return await asyncio.to_thread(self._note, app_id, commit, quarantine)

    async def changes(self, app_id: AppId, old: str, new: str, limit: int) -> FileChanges:
        """Return at most `limit` paths that differ between two commits. Raises NotFound or Invalid."""
        return await asyncio.to_thread(self._changes, app_id, old, new, limit)

    async def export(
        self, app_id: AppId, commit: str, quarantine: str | None = None, submodules: Sequence[SubmoduleTree] = ()
    ) -> AsyncIterator[bytes]:
        """Yield a commit's files, with those of its submodules, as a canonical zstd tar. Raises Invalid."""
        async with self._exports:
            with ExitStack() as stack:
                store = stack.enter_context(closing(self._store(app_id, quarantine)))
                stores = {each.path: (stack.enter_context(closing(BoundedStore([Path(each.objects)]))), each.commit) for each in submodules}
                async for chunk in _in_thread(git_archive.tar(store, commit, stores)):
                    yield chunk

    async def point_head(self, app_id: AppId, ref: str) -> None:
        """Make `ref` the one that a clone checks out. Raises NotFound."""
        await asyncio.to_thread(_point_head, self.path(app_id), ref)

    async def remove(self, app_id: AppId) -> None:
        """Delete a repository. A missing one is no error."""
        await asyncio.to_thread(_remove, Path(self.path(app_id)))

    async def unborn(self, before: datetime) -> Sequence[AppId]:
        """Return the repositories from before `before` that still have no ref."""
        return await asyncio.to_thread(self._unborn, before)

    async def size_bytes(self, app_id: AppId) -> int:
        """Return the size of a repository on disk in bytes, including pushes in progress."""
        return await asyncio.to_thread(_size, Path(self.path(app_id)))

    async def sweep(self, before: datetime) -> None:
        """Delete temporary files from before `before` of pushes that were interrupted."""
        await asyncio.to_thread(self._sweep, before)

    def _store(self, app_id: AppId, quarantine: str | None) -> BoundedStore:
        objects = Path(self.path(app_id)) / "objects"
        return BoundedStore([Path(quarantine), objects] if quarantine else [objects])

    def _tree(self, app_id: AppId, commit: str, quarantine: str | None) -> Tree:
        with closing(self._store(app_id, quarantine)) as store:
            return git_archive.look_through(store, commit)

    def _note(self, app_id: AppId, commit: str, quarantine: str | None) -> Note:
        with closing(self._store(app_id, quarantine)) as store:
            return git_archive.note(store, commit)

    def _changes(self, app_id: AppId, old: str, new: str, limit: int) -> FileChanges:
        with closing(self._store(app_id, None)) as store:
            return git_archive.changes(store, old, new, limit)

    def _kind(self, app_id: AppId, name: str, quarantine: str | None) -> Kind:
        with closing(self._store(app_id, quarantine)) as store:
            return git_archive.kind(store, name)

    def _contains(self, app_id: AppId, old: str, new: str, quarantine: str | None) -> bool:
        with closing(self._store(app_id, quarantine)) as store:
            repository = Repo(self.path(app_id), object_store=cast("PackBasedObjectStore", store), bare=True)
            try:
                return can_fast_forward(repository, ObjectID(old.encode()), ObjectID(new.encode()))
            except KeyError:  # a shallow history ends before the commits meet
                return False

    def _unborn(self, before: datetime) -> list[AppId]:
        found = []
        for folder in self._root.glob(f"*{SUFFIX}"):
            with suppress(NotFound, FileNotFoundError):  # deleted meanwhile
                if folder.stat().st_mtime < before.timestamp() and not _refs(str(folder)):
                    found.append(AppId(UUID(folder.name.removesuffix(SUFFIX))))
        return found

    def _sweep(self, before: datetime) -> None:
        for folder in [folder for pattern in LEFTOVERS for folder in self._root.glob(pattern)]:
            with suppress(FileNotFoundError):
                if folder.stat().st_mtime < before.timestamp():
                    shutil.rmtree(folder)
        for folder in self._root.glob(f"{FETCHED}*"):
            # Another process may still use it, however old it is.
            with suppress(FileNotFoundError, BlockingIOError):
                if folder.stat().st_mtime < before.timestamp():
                    with held(folder):
                        shutil.rmtree(folder)


@contextmanager
def held(folder: Path) -> Iterator[None]:
    """Protect a folder from the sweep for the length of the block, or until the process ends. Raises BlockingIOError if it is locked."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    finally:
        os.close(handle)


def _size(path: Path) -> int:
    total = 0
    for folder, _, names in os.walk(path):
        for name in names:
            with suppress(FileNotFoundError):  # git deletes its temporary files meanwhile
                total += Path(folder, name).lstat().st_size
    return total


def _create(path: Path) -> None:
    if path.exists():
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    # Made under another name and renamed, so that no process sees half a repository.
    unfinished = tempfile.mkdtemp(prefix=UNFINISHED, dir=path.parent)
    try:
        Repo.init_bare(unfinished, default_branch=DEFAULT_DEPLOY_BRANCHES[0].encode()).close()
        try:
            Path(unfinished).rename(path)
        except OSError:
            if not path.exists():
                raise
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)


def _open(path: str) -> Repo:
    if not Path(path, "objects").is_dir():  # dulwich does not check this
        raise NotFound("The repository is gone.")
    return Repo(path, bare=True)


def _refs(path: str) -> dict[str, str]:
    with closing(_open(path)) as repository:
        return {_text(ref): _text(name) for ref, name in repository.get_refs().items() if ref != HEADREF}


def _head(path: str) -> str:
    with closing(_open(path)) as repository:
        return _text(repository.refs.get_symrefs()[HEADREF])


def _point_head(path: str, ref: str) -> None:
    with closing(_open(path)) as repository:
        repository.refs.set_symbolic_ref(HEADREF, Ref(os.fsencode(ref)))


def _remove(path: Path) -> None:
    # Renamed first, so that a push in progress finds no repository instead of half of one.
    renamed = path.with_suffix(REMOVED)
    shutil.rmtree(renamed, ignore_errors=True)
    with suppress(FileNotFoundError):
        path.rename(renamed)
    shutil.rmtree(renamed, ignore_errors=True)


def _text(name: bytes) -> str:
    return name.decode("utf-8", "backslashreplace")


async def _in_thread(chunks: Iterator[bytes]) -> AsyncIterator[bytes]:
    """Yield from a blocking iterator. Even if cancelled, this returns only when no thread runs the iterator."""
    loop = asyncio.get_running_loop()
    while True:
        step = loop.run_in_executor(None, next, chunks, None)
        try:
            chunk = await asyncio.shield(step)
        except asyncio.CancelledError:
            await asyncio.wait([step])
            raise
        if chunk is None:
            return
        yield chunk
