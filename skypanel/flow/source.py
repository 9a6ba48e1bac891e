"""From a commit to a stored source."""

from dataclasses import dataclass
from uuid import UUID

from skypanel.domain.build import GIT, REMOTE, Source
from skypanel.domain.push import Push, RefUpdate, check_tree
from skypanel.domain.transcript import heading, size
from skypanel.ports import Fetched, Objects, Repositories, WriteLine


@dataclass(frozen=True)
class Arrival:
    """A commit (hex) that came for an app: on a branch, its objects in a quarantine, and how."""

    app_id: UUID
    commit: str
    branch: str
    quarantine: str | None
    kind: str


def pushed(push: Push, update: RefUpdate) -> Arrival:
    """Return what an update of a push brings."""
    return Arrival(push.app_id, update.new or "", update.label, push.quarantine, GIT)


def fetched(app_id: UUID, branch: str, found: Fetched) -> Arrival:
    """Return what was fetched from a repository elsewhere."""
    return Arrival(app_id, found.commit, branch, found.objects, REMOTE)


async def store(repositories: Repositories, objects: Objects, arrival: Arrival, write: WriteLine) -> Source:
    """Store the tree of a commit, and return it. Raises Invalid if it cannot be built, Unavailable."""
    tree = await repositories.tree(arrival.app_id, arrival.commit, arrival.quarantine)
    check_tree(tree)
    files = "1 file" if tree.files == 1 else f"{tree.files} files"
    await write(heading(f"Received {arrival.commit[:7]} on {arrival.branch}: {files}, {size(tree.size_bytes)}"))
    stored = await objects.add("sources", repositories.export(arrival.app_id, arrival.commit, arrival.quarantine))
    return Source(arrival.kind, stored.digest, arrival.commit)
