"""From a commit to a stored source."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass

from skypanel.domain.build import Source, SourceKind
from skypanel.domain.ids import AppId
from skypanel.domain.push import Push, RefUpdate, Tree, check_tree
from skypanel.domain.storage import ObjectKind
from skypanel.domain.submodule import SubmoduleTree
from skypanel.domain.transcript import heading, size
from skypanel.ports.objects import Objects
from skypanel.ports.output import WriteLine
from skypanel.ports.remotes import Fetched
from skypanel.ports.repositories import Repositories


@dataclass(frozen=True)
class Arrival:
    """A commit (hex) for an app: its branch, the quarantine of its objects, and the kind of source."""

    app_id: AppId
    commit: str
    branch: str
    quarantine: str | None
    kind: SourceKind


def pushed(push: Push, update: RefUpdate) -> Arrival:
    """Return the arrival of a push's update."""
    return Arrival(push.app_id, update.new or "", update.label, push.quarantine, SourceKind.GIT)


def fetched(app_id: AppId, branch: str, found: Fetched) -> Arrival:
    """Return the arrival of a commit that was fetched from a remote."""
    return Arrival(app_id, found.commit, branch, found.objects, SourceKind.REMOTE)


@dataclass(frozen=True)
class Whole:
    """A tree combined with its submodules, and where these are."""

    tree: Tree
    submodules: tuple[SubmoduleTree, ...] = ()


# Provides the contents of a tree's submodules during a block.
Complete = Callable[[Tree, WriteLine], AbstractAsyncContextManager[Whole]]


@asynccontextmanager
async def as_it_is(tree: Tree, _write: WriteLine) -> AsyncIterator[Whole]:
    """Leave submodules unresolved, so that a tree with submodules is rejected."""
    yield Whole(tree)


async def store(repositories: Repositories, objects: Objects, arrival: Arrival, write: WriteLine, complete: Complete = as_it_is) -> Source:
    """Store the tree of a commit, and return it as a source. Raises Invalid if it cannot be built, Unavailable, and as `complete`."""
    tree = await repositories.tree(arrival.app_id, arrival.commit, arrival.quarantine)
    async with complete(tree, write) as whole:
        check_tree(whole.tree)
        files = "1 file" if whole.tree.files == 1 else f"{whole.tree.files} files"
        await write(heading(f"Received {arrival.commit[:7]} on {arrival.branch}: {files}, {size(whole.tree.size_bytes)}"))
        stored = await objects.add(
            ObjectKind.SOURCES, repositories.export(arrival.app_id, arrival.commit, arrival.quarantine, whole.submodules)
        )
    note = await repositories.note(arrival.app_id, arrival.commit, arrival.quarantine)
    return Source(arrival.kind, stored.digest, arrival.commit, arrival.branch, note)
