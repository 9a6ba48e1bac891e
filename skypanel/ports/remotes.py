"""Git repositories on other servers."""

from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Protocol

from skypanel.domain.remote import Branches, KeyPair, RemoteAccess


@dataclass(frozen=True)
class Fetched:
    """A fetched commit (hex), the folder of its objects (a quarantine, as for a push), and their size as received."""

    commit: str
    objects: str
    size_bytes: int = 0


class Remotes(Protocol):
    """Git repositories on other servers, at addresses that are public or in the access's networks.

    Reading raises these errors. Denied: the server denies access, or has no allowed address. NotFound. Conflict: the host key differs from
    the access's; no credentials are sent before that check. Invalid: the answer is not git, or too large. Unavailable: the server does
    not answer in time.
    """

    def new_key(self) -> KeyPair: ...

    async def branches(self, access: RemoteAccess) -> Branches: ...

    def fetch(self, access: RemoteAccess, branch: str) -> AbstractAsyncContextManager[Fetched]:
        """Fetch the newest commit of a branch, without its history; the end of the block deletes it."""
        ...

    def fetch_commit(self, access: RemoteAccess, commit: str, max_bytes: int) -> AbstractAsyncContextManager[Fetched]:
        """Fetch a commit (hex) in the same way; it need not be the newest of a branch. Raises Invalid if it is larger than `max_bytes`."""
        ...
