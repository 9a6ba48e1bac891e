"""The port Remotes: the git protocol by dulwich, in threads that can be cancelled; packs by C git."""

import asyncio
import re
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager, closing, contextmanager
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path
from typing import TypeVar

from asyncssh import Error as SshError
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from dulwich.client import FetchPackResult, GitClient
from dulwich.errors import GitProtocolError, HangupException
from dulwich.object_store import ObjectStoreGraphWalker
from dulwich.objects import ObjectID
from dulwich.refs import HEADREF, Ref

from skypanel.domain.errors import Invalid, NotFound, Unavailable
from skypanel.domain.limits import GIB, MIB
from skypanel.domain.names import printable
from skypanel.domain.remote import Branches, GitUrl, KeyPair, RemoteAccess, branch_of, ref_of
from skypanel.drivers.dialing import addresses_of
from skypanel.drivers.git.remote import pack
from skypanel.drivers.git.remote.allowance import Allowance
from skypanel.drivers.git.remote.https import HttpsClient
from skypanel.drivers.git.remote.ssh import SshClient, no_repository, upload_pack
from skypanel.ports.remotes import Fetched

AT_ONCE = 8
LOOK_S = 30.0
FETCH_S = 5 * 60.0
# Everything except the pack is kept in memory, at several times its size.
MAX_LISTING_BYTES = 16 * MIB
MAX_PACK_BYTES = GIB
# dulwich's errors for a server that violates the protocol.
BROKEN = (GitProtocolError, HTTPException, ValueError, AssertionError, LookupError, TypeError)

# git's answer for a commit that it lacks. Without protocol v2, also for any commit that is not the tip of a ref.
NOT_OURS = "not our ref"

_SHA1 = re.compile(rb"[0-9a-f]{40}")

T = TypeVar("T")
Client = HttpsClient | SshClient


class GitRemotes:
    """Reads repositories by HTTPS and SSH.

    `root` is the folder for fetched packs. `authorities` is a file of CA certificates; None means the machine's own.
    """

    def __init__(
        self, root: Path, authorities: Path | None = None, *, fetch_s: float = FETCH_S, max_pack_bytes: int = MAX_PACK_BYTES
    ) -> None:
        self._root = root
        self._authorities = None if authorities is None else str(authorities)
        self._fetch_s = fetch_s
        self._max_pack_bytes = max_pack_bytes
        self._slots = asyncio.Semaphore(AT_ONCE)
        self._threads = ThreadPoolExecutor(AT_ONCE, "remote")

    def new_key(self) -> KeyPair:
        """Return a new ed25519 key pair."""
        key = Ed25519PrivateKey.generate()
        public = key.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH)
        return KeyPair(public.decode(), key.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption()).decode())

    async def branches(self, access: RemoteAccess) -> Branches:
        """Return the branches of a repository. Raises Denied, Invalid, NotFound, Conflict or Unavailable."""
        async with _within(access.url, min(LOOK_S, self._fetch_s)), self._slots:
            return await self._speak(access, _listing(), _branches)

    def fetch(self, access: RemoteAccess, branch: str) -> AbstractAsyncContextManager[Fetched]:
        """Fetch the newest commit of a branch, without its history, for the length of the block."""
        return self._fetched(access, _Wanted(branch=branch), self._max_pack_bytes)

    def fetch_commit(self, access: RemoteAccess, commit: str, max_bytes: int) -> AbstractAsyncContextManager[Fetched]:
        """Fetch a commit, without its history, for the length of the block."""
        return self._fetched(access, _Wanted(commit=commit), min(max_bytes, self._max_pack_bytes))

    @asynccontextmanager
    async def _fetched(self, access: RemoteAccess, wanted: "_Wanted", max_bytes: int) -> AsyncIterator[Fetched]:
        async with AsyncExitStack() as stack:
            # A slot is only for the connection: a caller that holds a fetched commit may fetch more.
            async with _within(access.url, self._fetch_s), self._slots:
                folder = await stack.enter_async_context(pack.folder(self._root))
                commit, shallow = await self._receive(access, wanted, folder, max_bytes)
                size_bytes = (folder / pack.PACK).stat().st_size
                await pack.index(folder, {commit, *shallow})
            yield Fetched(commit, pack.objects(folder), size_bytes)

    async def _receive(self, access: RemoteAccess, wanted: "_Wanted", folder: Path, max_bytes: int) -> tuple[str, Sequence[str]]:
        """Write the pack to `folder`. Returns the commit, and the commits whose parents are not in the pack."""
        spoken = _listing()
        packed = Allowance(max_bytes, f"{wanted} as git packs it", "Take large files out of it, and keep them in object storage.")

        def receive(client: Client) -> tuple[str, Sequence[str]]:
            with (folder / pack.PACK).open("wb") as file:
                result = _fetch(client, wanted, lambda chunk: file.write(packed.take(spoken.give_back(chunk))))
            commit = wanted.found(result.refs)
            if commit is None:
                raise NotFound(f"There is no branch {wanted} in {access.url} any more.", "Set the git URL again, with another branch.")
            return _hex(commit), [name.decode() for name in result.new_shallow or ()]

        return await self._speak(access, spoken, receive)

    async def _speak(self, access: RemoteAccess, allowance: Allowance, ask: Callable[[Client], T]) -> T:
        addresses = await addresses_of(access.url.host, access.url.port, access.networks, "git_networks")

        def speak(client: Client) -> T:
            with closing(client), _translated(access.url, client):
                return ask(client)

        async with AsyncExitStack() as stack:
            client = (
                await stack.enter_async_context(upload_pack(access, addresses, allowance))
                if access.url.is_ssh
                else HttpsClient(access.url, addresses, allowance, self._authorities)
            )
            return await self._in_thread(allowance, lambda: speak(client))

    async def _in_thread(self, allowance: Allowance, work: Callable[[], T]) -> T:
        """Return what `work` returns. If cancelled, cut the connection and wait until the thread has ended."""
        step = asyncio.get_running_loop().run_in_executor(self._threads, work)
        try:
            return await asyncio.shield(step)
        finally:
            allowance.cut()
            await asyncio.wait([step])
            step.exception()


def _branches(client: Client) -> Branches:
    listed = client.get_refs(b"", ref_prefix=[HEADREF, b"refs/heads/"])
    commits = {}
    for ref, name in listed.refs.items():
        branch = branch_of(ref.decode(errors="replace"))
        if branch is not None and name is not None:
            commits[branch] = _hex(name)
    head = listed.symrefs.get(HEADREF)
    default = None if head is None else branch_of(head.decode(errors="replace"))
    return Branches(commits, default, client.host_key if isinstance(client, SshClient) else None)


@dataclass(frozen=True)
class _Wanted:
    """The newest commit of a branch, or a given commit."""

    branch: str = ""
    commit: str = ""

    def __str__(self) -> str:
        return self.branch or self.commit[:7]

    @property
    def ref(self) -> Ref:
        """The ref that the server is asked to list."""
        return Ref(ref_of(self.branch).encode()) if self.branch else HEADREF

    def found(self, refs: Mapping[Ref, ObjectID | None]) -> ObjectID | None:
        """Return the commit in the server's list. A given commit need not be listed (protocol v2 serves all that it has)."""
        return ObjectID(self.commit.encode()) if self.commit else refs.get(self.ref)


def _fetch(client: GitClient, wanted: _Wanted, write: Callable[[bytes], int]) -> FetchPackResult:
    def choose(refs: Mapping[Ref, ObjectID], depth: int | None = None) -> list[ObjectID]:  # noqa: ARG001 - dulwich's signature
        found = wanted.found(refs)
        return [] if found is None else [found]

    return client.fetch_pack(b"", choose, ObjectStoreGraphWalker([], lambda _name: []), write, depth=1, ref_prefix=[wanted.ref])


def _hex(name: bytes) -> str:
    """Return a commit's name. The server is not trusted: raises Invalid unless it is a SHA-1 in hex."""
    if not _SHA1.fullmatch(name):
        raise Invalid("The repository does not use SHA-1 for its commits, and cannot be deployed.", "Use a repository with SHA-1.")
    return name.decode()


def _listing() -> Allowance:
    return Allowance(MAX_LISTING_BYTES, "The repository's list of branches", "Remove branches and tags that are not needed.")


@contextmanager
def _translated(url: GitUrl, client: Client) -> Iterator[None]:
    try:
        yield
    except HangupException as error:
        if isinstance(client, SshClient):
            raise no_repository(url, client.last_stderr()) from error
        raise _broken_off(url) from error
    except BROKEN as error:
        if NOT_OURS in str(error):
            raise NotFound(
                f"{url} does not have the requested commit, or none of its branches ends with it.",
                "Push the commit there, to a branch.",
            ) from error
        raise Invalid(f"{url} cannot be read: {printable(str(error), 200)}.", "Check whether `git clone` can read it.") from error
    except (OSError, SshError) as error:
        raise _broken_off(url) from error


@asynccontextmanager
async def _within(url: GitUrl, limit_s: float) -> AsyncIterator[None]:
    try:
        async with asyncio.timeout(limit_s):
            yield
    except TimeoutError as error:
        raise Unavailable(
            f"{url} could not be read within {limit_s:g} seconds.", "Try again later, or use a smaller repository."
        ) from error


def _broken_off(url: GitUrl) -> Unavailable:
    return Unavailable(f"{url.host} closed the connection, or stopped responding.", "Try again later.")
