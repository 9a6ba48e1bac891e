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
class ReceivedCommit:
    """A commit (hex) for an app: its branch, the quarantine of its objects, and the kind of source."""

    app_id: AppId
    commit: str
    branch: str
    quarantine: str | None
    kind: SourceKind


def pushed(push: Push, update: RefUpdate) -> ReceivedCommit:
    """Return the received of a push's update."""
    return ReceivedCommit(push.app_id, update.new or "", update.label, push.quarantine, SourceKind.GIT)


def fetched(app_id: AppId, branch: str, found: Fetched) -> ReceivedCommit:
    """Return the received of a commit that was fetched from a remote."""
    return ReceivedCommit(app_id, found.commit, branch, found.objects, SourceKind.REMOTE)


@dataclass(frozen=True)
class CompleteTree:
    """A tree combined with its submodules, and where these are."""

    tree: Tree
    submodules: tuple[SubmoduleTree, ...] = ()


# Provides the contents of a tree's submodules during a block.
Complete = Callable[[Tree, WriteLine], AbstractAsyncContextManager[CompleteTree]]


@asynccontextmanager
async def unchanged(tree: Tree, _write: WriteLine) -> AsyncIterator[CompleteTree]:
    """Leave submodules unresolved, so that a tree with submodules is rejected."""
    yield CompleteTree(tree)


async def store(
    repositories: Repositories, objects: Objects, received: ReceivedCommit, write: WriteLine, complete: Complete = unchanged
) -> Source:
    """Store the tree of a commit, and return it as a source. Raises Invalid if it cannot be built, Unavailable, and as `complete`."""
    tree = await repositories.tree(received.app_id, received.commit, received.quarantine)
    async with complete(tree, write) as whole:
        check_tree(whole.tree)
        files = "1 file" if whole.tree.files == 1 else f"{whole.tree.files} files"
        await write(heading(f"Received {received.commit[:7]} on {received.branch}: {files}, {size(whole.tree.size_bytes)}"))
        stored = await objects.add(
            ObjectKind.SOURCES, repositories.export(received.app_id, received.commit, received.quarantine, whole.submodules)
        )
    note = await repositories.note(received.app_id, received.commit, received.quarantine)
    return Source(received.kind, stored.digest, received.commit, received.branch, note)
