"""Builders: workspaces, and the steps that run in them."""

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
    """One command in a workspace. It starts in `directory`, and inherits nothing of the panel's environment."""

    argv: tuple[str, ...]
    environment: Mapping[str, str]
    directory: str = "/app"
    network: bool = False


class Workspace(Protocol):
    """A build's sandbox. It owns /app, /cache, /env and /tmp; /buildpacks is the panel's, and read-only.

    When a step ends, all its processes end.
    """

    async def run(self, step: Step, write: WriteLine, stdin: AsyncIterable[bytes] | None = None) -> Exit:
        """Run a step to its end, and write its stdout and stderr line by line."""
        ...

    def read(self, step: Step) -> AsyncIterator[bytes]:
        """Yield a step's stdout as it arrives. Raises StepFailed at the end if the step failed."""
        ...


class StepFailed(Exception):
    """A step failed, so its output cannot be used."""

    def __init__(self, exit_: Exit) -> None:
        super().__init__(exit_.reason or f"exit status {exit_.code}")
        self.exit = exit_


class Builder(Protocol):
    def workspace(self, app: App, limits: Limits) -> AbstractAsyncContextManager[Workspace]:
        """Open an empty workspace. The end of the block deletes everything in it except /cache.

        The limits, `timeout_s` too, apply to the workspace as a whole. Raises Unavailable.
        """
        ...
