"""Language runtimes for builds."""

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Protocol

from skypanel.domain.runtime import Runtime


class Runtimes(Protocol):
    """Interpreters that the stack lacks, from a mirror. If the mirror is "", they come from the projects' own sites."""

    async def offered(self, language: str, mirror: str) -> Mapping[str, Runtime]:
        """Return the available versions, by version number. Raises Unavailable."""
        ...

    async def kept(self, runtimes: Mapping[str, Runtime]) -> Sequence[str]:
        """Return the versions of those `runtimes` that are already downloaded."""
        ...

    async def fetch(self, runtime: Runtime, mirror: str) -> None:
        """Download a runtime and verify its digest. Raises Unavailable with the reason.

        All apps share it, and concurrent calls download it once.
        """
        ...

    def read(self, runtime: Runtime) -> AsyncIterator[bytes]:
        """Yield a fetched runtime as a tar from which a build installs it. Raises Unavailable."""
        ...
