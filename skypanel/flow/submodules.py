"""The submodules of a source: public ones are fetched directly, others with the app's deploy key, as for a git URL."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from functools import partial

from skypanel.domain.account import Account
from skypanel.domain.app import App
from skypanel.domain.errors import Denied, Invalid, Unavailable
from skypanel.domain.ids import AppId
from skypanel.domain.push import Link, Tree, shown
from skypanel.domain.remote import GitUrl, RemoteAccess
from skypanel.domain.submodule import FETCH_S, MAX_FETCHED_BYTES, MAX_SUBMODULES, SubmoduleTree, resolve, whole
from skypanel.domain.transcript import heading
from skypanel.flow import remote_access
from skypanel.flow.source import Complete, CompleteTree
from skypanel.ports.output import WriteLine
from skypanel.ports.panel import Panel


@dataclass(frozen=True)
class _Owner:
    """The app and account for which submodules are fetched. Before an app's first push there is no app, so no deploy key."""

    panel: Panel
    app_id: AppId
    app: App | None
    by: Account


def of(panel: Panel, app: App, by: Account, url: GitUrl) -> Complete:
    """Return what adds the submodules to a tree that was fetched from a URL."""
    return partial(_completed, _Owner(panel, app.id, app, by), url)


def of_push(panel: Panel, app_id: AppId, app: App | None, by: Account) -> Complete:
    """Return what adds the submodules to a pushed tree; `app` is None if the push will create it."""
    return partial(_completed, _Owner(panel, app_id, app, by), None)


@asynccontextmanager
async def _completed(owner: _Owner, url: GitUrl | None, tree: Tree, write: WriteLine) -> AsyncIterator[CompleteTree]:
    """Provide a tree with all its submodules, also nested ones, during the block.

    Raises Invalid if they cannot be fetched this way, or are too large; Denied, NotFound, Conflict or Unavailable as their server responds.
    """
    async with AsyncExitStack() as stack:
        fetching = _Fetching(owner, write, stack)
        try:
            async with asyncio.timeout(FETCH_S):
                await fetching.all_of(tree, url)
        except TimeoutError as error:
            raise Unavailable(
                f"The submodules were not read within {FETCH_S:g} seconds.", "Push again, or use smaller submodules."
            ) from error
        yield CompleteTree(
            whole(tree, {submodule.path: inside for submodule, inside in fetching.submodules.items()}), tuple(fetching.submodules)
        )


@dataclass
class _Fetching:
    """Fetches the submodules of one tree; what it fetched stays until the stack is closed."""

    owner: _Owner
    write: WriteLine
    stack: AsyncExitStack
    submodules: dict[SubmoduleTree, Tree] = field(default_factory=dict)
    left: int = MAX_FETCHED_BYTES

    async def all_of(self, tree: Tree, url: GitUrl | None) -> None:
        """Fetch the submodules of a tree, also nested ones; `url` is the repository of the tree."""
        waiting = deque((link, url) for link in tree.links)
        while waiting:
            link, origin = waiting.popleft()
            if len(self.submodules) == MAX_SUBMODULES:
                raise Invalid(
                    f"There are more than {MAX_SUBMODULES} submodules, including nested ones.",
                    "Commit the files of some of them themselves.",
                )
            where = resolve(link.url, origin)
            inside = await self._one(link, where)
            waiting.extend((replace(further, path=f"{link.path}/{further.path}"), where) for further in inside.links)

    async def _one(self, link: Link, url: GitUrl) -> Tree:
        await self.write(heading(f"Fetching submodule {shown(link.path)}: {link.commit[:7]} of {url}"))
        access, remote = await self._access(link, url)
        with remote_access.explained(url, remote):
            remotes = self.owner.panel.remotes
            fetched = await self.stack.enter_async_context(remotes.fetch_commit(access, link.commit, self.left))
        self.left -= fetched.size_bytes
        tree = await self.owner.panel.repositories.tree(self.owner.app_id, fetched.commit, fetched.objects)
        self.submodules[SubmoduleTree(link.path, fetched.commit, fetched.objects)] = tree
        return tree

    async def _access(self, link: Link, url: GitUrl) -> tuple[RemoteAccess, remote_access.RemoteInfo]:
        panel, app = self.owner.panel, self.owner.app
        if app is None:
            if not url.is_ssh:
                return await remote_access.to_public(panel, url), remote_access.NO_KEY
            raise Denied(
                f"The submodule {shown(link.path)} needs the app's deploy key, and the app does not exist yet.",
                "Create the app, add its deploy key to the repository (skypanel remote key), then push again.",
            )
        if url.is_ssh:
            await remote_access.deploy_key(panel, app, self.owner.by)
        remote = await remote_access.show(panel, app)
        return await remote_access.of(panel, app, url, remote), remote
