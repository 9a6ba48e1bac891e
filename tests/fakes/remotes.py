import asyncio
import subprocess
from contextlib import asynccontextmanager

from skypanel.domain.errors import Conflict, Denied, Invalid, NotFound, Unavailable
from skypanel.domain.remote import Branches, KeyPair
from skypanel.ports.remotes import Fetched


class FakeRemotes:
    """Repositories in the folder `root`, for any host; `host_keys` are those of SSH servers.

    `private` maps a repository's name to the public keys with access; other repositories are public. `lost` are hosts that do not answer.
    `allowed` records the requested commits with their size limits, `sizes` their real sizes.
    """

    def __init__(self, root):
        self.root = root
        self.private = {}
        self.host_keys = {}
        self.lost = set()
        self.allowed, self.sizes = [], {}
        self._made = 0

    def new_key(self):
        self._made += 1
        return KeyPair(f"ssh-ed25519 key{self._made}", f"private half of ssh-ed25519 key{self._made}")

    async def branches(self, access):
        path, host_key = self._opened(access)
        listed = await self._git(path, "for-each-ref", "--format=%(refname:short) %(objectname)", "refs/heads")
        head = await self._git(path, "symbolic-ref", "--short", "HEAD")
        commits = dict(line.split() for line in listed.splitlines())
        return Branches(commits, head.strip() if head.strip() in commits else None, host_key)

    @asynccontextmanager
    async def fetch(self, access, branch):
        path, _ = self._opened(access)
        commits = (await self.branches(access)).commits
        if branch not in commits:
            raise NotFound(f"There is no branch {branch} in {access.url} any more.")
        yield Fetched(commits[branch], str(path / "objects"))

    @asynccontextmanager
    async def fetch_commit(self, access, commit, max_bytes):
        path, _ = self._opened(access)
        size_bytes = sum(file.stat().st_size for file in (path / "objects").rglob("*") if file.is_file())
        self.allowed.append((commit, max_bytes))
        self.sizes[commit] = size_bytes
        if size_bytes > max_bytes:
            raise Invalid(f"{commit[:7]} as git packs it is larger than {max_bytes}B.")
        try:
            await self._git(path, "cat-file", "-e", commit)
        except subprocess.CalledProcessError:
            raise NotFound(f"{access.url} does not have the requested commit.") from None
        yield Fetched(commit, str(path / "objects"), size_bytes)

    def _opened(self, access):
        url = access.url
        if url.host in self.lost:
            raise Unavailable(f"No server answers at {url.host}.")
        host_key = self.host_keys.get(url.host, "ssh-ed25519 AAAA1") if url.is_ssh else None
        if access.host_key not in {None, host_key}:
            raise Conflict(f"The host key of {url.host} has changed: it may be another server.")
        name = url.path.rpartition("/")[2].removesuffix(".git")
        private_key = (access.private_key or "").removeprefix("private half of ")
        if private_key not in self.private.get(name, {private_key}):
            raise Denied(f"{url} requires authentication.")
        if not (self.root / f"{name}.git").exists():
            raise NotFound(f"There is no git repository at {url}.")
        return self.root / f"{name}.git", host_key

    async def _git(self, path, *arguments):
        argv = ["git", "-C", str(path), *arguments]
        return (await asyncio.to_thread(subprocess.run, argv, check=True, capture_output=True, text=True)).stdout
