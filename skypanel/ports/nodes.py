"""Nodes, and the Swarm they are members of."""

from collections.abc import AsyncIterable, AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Protocol

from skypanel.domain.manifest import Exit
from skypanel.domain.node import Availability, JoinOffer, SshLogin, SwarmMember
from skypanel.ports.output import WriteLine


class Swarm(Protocol):
    """The Swarm's members, as seen by the manager on the panel's machine. Raises Unavailable if there is no Swarm."""

    async def members(self) -> Sequence[SwarmMember]: ...

    async def set_availability(self, member_id: str, availability: Availability) -> None:
        """Allow the Swarm to place tasks on a member, or have it move them elsewhere. Raises NotFound."""
        ...

    async def remove(self, member_id: str) -> None:
        """Remove a member, whether it left or not; a missing one is no error."""
        ...

    async def join_offer(self) -> JoinOffer: ...

    @property
    def stack_images(self) -> Sequence[str]:
        """The names of the images that every node needs; dynos start from the first."""
        ...

    async def image_id(self, name: str) -> str:
        """Return the id (sha256:...) of an image on the manager. Raises NotFound."""
        ...

    def save_image(self, name: str) -> AsyncIterator[bytes]:
        """Yield an image of the manager in the format of `docker load`. Raises NotFound."""
        ...


class Shell(Protocol):
    """An SSH connection to a machine; its commands end with the connection."""

    async def run(self, argv: Sequence[str], write: WriteLine, stdin: AsyncIterable[bytes] | None = None) -> Exit:
        """Run a command to its end, and write its stdout and stderr line by line. Raises Unavailable if the connection is lost."""
        ...

    async def read(self, argv: Sequence[str], stdin: bytes = b"") -> str:
        """Return the stdout of a command. Raises StepFailed, or Unavailable if the connection is lost."""
        ...


class Machines(Protocol):
    """Connects to other machines by SSH."""

    async def host_key(self, address: str, port: int) -> str:
        """Return the host key of a machine, in OpenSSH's format. Raises Unavailable."""
        ...

    def fingerprint(self, host_key: str) -> str:
        """Return the fingerprint of a host key, as `ssh-keygen -l` prints it: SHA256:..."""
        ...

    def log_in(self, login: SshLogin) -> AbstractAsyncContextManager[Shell]:
        """Open an SSH connection.

        Raises Conflict if the host key differs from the login's; no credentials are sent before that check. Raises Denied if the machine
        rejects the user, Invalid for an unusable private key, Unavailable if the machine is not reachable.
        """
        ...
