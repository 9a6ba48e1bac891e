"""Building: workspaces and what runs in them."""

from collections.abc import AsyncIterable, AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Protocol

from skypanel.domain.app import App
from skypanel.domain.limits import Limits
from skypanel.domain.manifest import Exit
from skypanel.ports.output import WriteLine


@dataclass(frozen=True)
class Step:
    """One command in a workspace; it starts in `directory`, with nothing of the panel's environment."""

    argv: tuple[str, ...]
    environment: Mapping[str, str]
    directory: str = "/app"
    network: bool = False


class Workspace(Protocol):
    """A build's sandbox: /app, /cache, /env and /tmp are its own; /buildpacks is ours, read-only.

    All processes of a step are gone when the step ends.
    """

    async def run(self, step: Step, write: WriteLine, stdin: AsyncIterable[bytes] | None = None) -> Exit:
        """Run a step to its end, stdout and stderr line by line."""
        ...

    def read(self, step: Step) -> AsyncIterator[bytes]:
        """Yield a step's stdout as it comes. Raises StepFailed at the end if it did not succeed."""
        ...


class StepFailed(Exception):
    """A step whose output was wanted did not succeed."""

    def __init__(self, exit_: Exit) -> None:
        super().__init__(exit_.reason or f"exit status {exit_.code}")
        self.exit = exit_


class Builder(Protocol):
    def workspace(self, app: App, limits: Limits) -> AbstractAsyncContextManager[Workspace]:
        """Open an empty workspace; at the end of the block everything in it is gone but /cache.

        The limits hold for the whole of it, `timeout_s` too. Raises Unavailable.
        """
        ...
