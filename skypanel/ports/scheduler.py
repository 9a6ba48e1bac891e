"""Running an app's dynos."""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Protocol

from skypanel.domain.app import App
from skypanel.domain.ids import AppId
from skypanel.domain.manifest import ONE_OFF, Dyno, DynoKey, Exit, Manifest, OneOff, Window
from skypanel.ports.output import WriteLine

# Stages an app's slug, given by its digest, on all nodes except the manager's.
StageElsewhere = Callable[[App, str], Awaitable[None]]


# Stops a dyno on a node other than the manager's: takes the node's id in the Swarm and the dyno's container.
StopElsewhere = Callable[[str, str], Awaitable[None]]


class Attached(Protocol):
    """The caller's end of a one-off dyno."""

    def read(self) -> AsyncIterator[bytes]:
        """Yield its output, stdout and stderr combined, until no process can write any more."""
        ...

    async def write(self, chunk: bytes) -> None:
        """Send input; what it no longer reads is dropped."""
        ...

    async def end_input(self) -> None:
        """Signal the end of input; on a terminal this sends ^D."""
        ...

    def resize(self, window: Window) -> None:
        """Resize its terminal, which sends it SIGWINCH. Without a terminal this does nothing."""
        ...

    async def signal(self, number: int) -> None:
        """Send a signal to its processes."""
        ...

    async def wait(self) -> Exit:
        """Wait until it ends, and return how."""
        ...


class Scheduler(Protocol):
    """Runs dynos. Every call is idempotent."""

    async def stage(self, app: App, digest: str) -> None:
        """Store a slug where its dynos will start, so that a start downloads nothing.

        Raises Unavailable if the slug cannot be fetched.
        """
        ...

    async def launch(self, manifest: Manifest) -> None:
        """Start the manifest's missing dynos, and leave all others of the app alone."""
        ...

    async def wait_ready(self, manifest: Manifest, timeout_s: float) -> Sequence[Dyno]:
        """Return the manifest's dynos once every web dyno answers on $PORT and the others stay up.

        Raises Unready as soon as one cannot become ready, at the latest after `timeout_s`.
        """
        ...

    async def dynos(self, app_id: AppId | None = None) -> Sequence[Dyno]:
        """Return the dynos of one app, or of all apps; one-off dynos are not included."""
        ...

    async def last_lines(self, key: DynoKey) -> Sequence[str]:
        """Return the last lines that a dyno printed, oldest first, in the format of `Logs`.

        For a crashed dyno they are from its last start. The list is empty once nothing is known about the dyno.
        """
        ...

    async def retire(self, manifest: Manifest) -> None:
        """Stop every dyno of the app that is not in the manifest: SIGTERM now, SIGKILL after the grace period.

        Returns once SIGTERM is sent; the scheduler does the rest.
        """
        ...

    async def stop(self, app_id: AppId, dyno: str) -> Sequence[str]:
        """Stop one dyno such as web.1, or all of a process type: SIGTERM now, SIGKILL after the grace period.

        Dynos of the formation restart at once under the same name; one-off dynos do not. Returns the names of the dynos that got the
        signal.
        """
        ...

    async def remove(self, app_id: AppId) -> None:
        """Stop all dynos of an app and delete its slugs, logs and disks."""
        ...

    async def run(self, manifest: Manifest, command: str, write: WriteLine, timeout_s: float, *, process_type: str = ONE_OFF) -> Exit:
        """Run a one-off dyno of the manifest's slug to its end, and write its output line by line."""
        ...

    def attach(self, manifest: Manifest, one_off: OneOff) -> AbstractAsyncContextManager[Attached]:
        """Run a one-off dyno during the block. It ends with the block, or when the caller vanishes.

        Raises Unavailable, and Conflict if its number is taken.
        """
        ...

    async def detach(self, manifest: Manifest, one_off: OneOff) -> None:
        """Start a one-off dyno that runs without a caller and writes to the app's log. Raises as `attach`."""
        ...

    async def one_offs(self, app_id: AppId | None = None) -> Sequence[Dyno]:
        """Return the one-off dynos that run, attached or not: those of one app, with their commands, or of all apps."""
        ...


class Unready(Exception):
    """A dyno did not become ready; `reason` is a sentence for the user, `line` one for the dyno's log that the engine did not write."""

    def __init__(self, dyno: str, reason: str, line: str | None = None) -> None:
        super().__init__(f"{dyno}: {reason}")
        self.dyno = dyno
        self.reason = reason
        self.line = line
