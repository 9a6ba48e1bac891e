"""Git repositories on other servers."""

from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Protocol

from skypanel.domain.remote import Branches, Entrance, KeyPair


@dataclass(frozen=True)
class Fetched:
    """A commit (hex) that was fetched, the folder of its objects (a quarantine, as of a push), and how large they came."""

    commit: str
    objects: str
    size_bytes: int = 0


class Remotes(Protocol):
    """Git repositories on other servers, at addresses that are public or in the entrance's networks.

    Reading one raises Denied where its server lets nobody in, or has no address that may be reached; NotFound; Conflict
    where the server shows another host key than the entrance's, before anything is told to it; Invalid for what is not
    git or too large; Unavailable for a server that does not answer in time.
    """

    def new_key(self) -> KeyPair: ...

    async def branches(self, entrance: Entrance) -> Branches: ...

    def fetch(self, entrance: Entrance, branch: str) -> AbstractAsyncContextManager[Fetched]:
        """Fetch the newest commit of a branch, without its history; at the end of the block it is gone."""
        ...

    def fetch_commit(self, entrance: Entrance, commit: str, max_bytes: int) -> AbstractAsyncContextManager[Fetched]:
        """Fetch a commit (hex), of which no branch need be the newest, in the same way. Raises Invalid if it is larger."""
        ...
