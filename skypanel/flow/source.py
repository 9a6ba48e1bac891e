"""From a commit to a stored source."""

from skypanel.domain.build import GIT, Source
from skypanel.domain.push import Push, RefUpdate, check_tree
from skypanel.domain.transcript import heading, size
from skypanel.ports import Objects, Repositories, WriteLine


async def store(repositories: Repositories, objects: Objects, push: Push, update: RefUpdate, write: WriteLine) -> Source:
    """Store the tree that an update points at, and return it. Raises Invalid if it cannot be built, Unavailable."""
    commit = update.new or ""
    tree = await repositories.tree(push.app_id, commit, push.quarantine)
    check_tree(tree)
    files = "1 file" if tree.files == 1 else f"{tree.files} files"
    await write(heading(f"Received {commit[:7]} on {update.label}: {files}, {size(tree.size_bytes)}"))
    stored = await objects.add("sources", repositories.export(push.app_id, commit, push.quarantine))
    return Source(GIT, stored.digest, commit)
