"""Language runtimes for builds."""

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Protocol

from skypanel.domain.runtime import Runtime


class Runtimes(Protocol):
    """Interpreters that the stack lacks, from a mirror or, where that is "", from where their makers have them."""

    async def offered(self, language: str, mirror: str) -> Mapping[str, Runtime]:
        """Return by version what can be had. Raises Unavailable."""
        ...

    async def kept(self, runtimes: Mapping[str, Runtime]) -> Sequence[str]:
        """Return the versions of those that need no network any more."""
        ...

    async def fetch(self, runtime: Runtime, mirror: str) -> None:
        """Have one here, its digest checked: once for all apps, and never twice at once. Raises Unavailable with the reason."""
        ...

    def read(self, runtime: Runtime) -> AsyncIterator[bytes]:
        """Yield as a tar what a build installs it from, once it was fetched. Raises Unavailable."""
        ...
