"""Machines, and the Swarm they are members of."""

from collections.abc import AsyncIterable, AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Protocol

from skypanel.domain.manifest import Exit
from skypanel.domain.node import Availability, JoinOffer, SshLogin, SwarmMember
from skypanel.ports.output import WriteLine


class Swarm(Protocol):
    """The Swarm's members, as the manager on the panel's machine knows them. Raises Unavailable where there is none."""

    async def members(self) -> Sequence[SwarmMember]: ...

    async def set_availability(self, member_id: str, availability: Availability) -> None:
        """Let the Swarm place tasks on a member, or move those it has elsewhere. Raises NotFound."""
        ...

    async def remove(self, member_id: str) -> None:
        """Forget a member, whether it left or not; one that is not there is no error."""
        ...

    async def join_offer(self) -> JoinOffer: ...

    @property
    def stack_images(self) -> Sequence[str]:
        """The names of the images that every node needs; dynos are started from the first."""
        ...

    async def image_id(self, name: str) -> str:
        """Return the id (sha256:...) of an image of the manager's. Raises NotFound."""
        ...

    def save_image(self, name: str) -> AsyncIterator[bytes]:
        """Yield an image of the manager's as `docker load` reads it. Raises NotFound."""
        ...


class Shell(Protocol):
    """A machine that somebody is logged in to; commands end with the connection."""

    async def run(self, argv: Sequence[str], write: WriteLine, stdin: AsyncIterable[bytes] | None = None) -> Exit:
        """Run a command to its end, stdout and stderr line by line. Raises Unavailable if the connection is lost."""
        ...

    async def read(self, argv: Sequence[str], stdin: bytes = b"") -> str:
        """Return what a command prints. Raises StepFailed, or Unavailable if the connection is lost."""
        ...


class Machines(Protocol):
    """Other machines, by SSH."""

    async def host_key(self, address: str, port: int) -> str:
        """Return the key by which a machine proves who it is, as OpenSSH writes it. Raises Unavailable."""
        ...

    def fingerprint(self, host_key: str) -> str:
        """Return what `ssh-keygen -l` prints of a host key: SHA256:..."""
        ...

    def log_in(self, login: SshLogin) -> AbstractAsyncContextManager[Shell]:
        """Log in.

        Raises Conflict if the machine shows another host key than the login's, before anything is told to it; Denied if
        it does not let the user in; Invalid for a key that is none; Unavailable if it is not reached.
        """
        ...
