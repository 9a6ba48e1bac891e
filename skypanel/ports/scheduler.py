"""Running an app's dynos."""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Protocol

from skypanel.domain.app import App
from skypanel.domain.ids import AppId
from skypanel.domain.manifest import ONE_OFF, Dyno, DynoKey, Exit, Manifest, OneOff, Window
from skypanel.ports.output import WriteLine

# Puts an app's slug, by its digest, on the nodes beside the manager's.
StageElsewhere = Callable[[App, str], Awaitable[None]]


# Tells a dyno on a node beside the manager's to stop, by the node's name in the Swarm and the dyno's container.
StopElsewhere = Callable[[str, str], Awaitable[None]]


class Attached(Protocol):
    """Somebody's end of a one-off dyno."""

    def read(self) -> AsyncIterator[bytes]:
        """Yield what it writes, stdout and stderr alike, until nobody can write any more."""
        ...

    async def write(self, chunk: bytes) -> None:
        """Give it input; what it does not read any more is dropped."""
        ...

    async def end_input(self) -> None:
        """Say that no more input comes: at a terminal by ^D."""
        ...

    def resize(self, window: Window) -> None:
        """Change the size of its terminal; it has SIGWINCH then. Without one nothing happens."""
        ...

    async def signal(self, number: int) -> None:
        """Send a signal to its processes."""
        ...

    async def wait(self) -> Exit:
        """Return how it ended, once it has."""
        ...


class Scheduler(Protocol):
    """Runs dynos. Every call is idempotent."""

    async def stage(self, app: App, digest: str) -> None:
        """Put a slug where its dynos will start, so that starting one downloads nothing.

        Raises Unavailable if the slug cannot be had.
        """
        ...

    async def launch(self, manifest: Manifest) -> None:
        """Start what is missing of the manifest's dynos, beside whatever else the app runs."""
        ...

    async def wait_ready(self, manifest: Manifest, timeout_s: float) -> Sequence[Dyno]:
        """Return the manifest's dynos once every web dyno answers on $PORT and the others stay up.

        Raises Unready as soon as one cannot become ready, and at the latest after `timeout_s`.
        """
        ...

    async def dynos(self, app_id: AppId | None = None) -> Sequence[Dyno]:
        """Return what runs, of one app or of all."""
        ...

    async def last_lines(self, key: DynoKey) -> Sequence[str]:
        """Return the last lines that a dyno of one release printed, oldest first and as `Logs` has them.

        Of one that crashed they are those of its last try; there are none where nothing is known of it any more.
        """
        ...

    async def retire(self, manifest: Manifest) -> None:
        """Stop every dyno of the app that is not the manifest's: SIGTERM now, SIGKILL after the grace.

        Returns once the signal is sent; the scheduler sees to the rest.
        """
        ...

    async def stop(self, app_id: AppId, dyno: str) -> Sequence[str]:
        """Stop one dyno such as web.1, or all of a process type: SIGTERM now, SIGKILL after the grace.

        Those of the formation start again at once, in their own place; a one-off dyno's end is final.
        Returns the names of those that were told.
        """
        ...

    async def remove(self, app_id: AppId) -> None:
        """Stop all dynos of an app and forget its slugs, logs and disks."""
        ...

    async def run(self, manifest: Manifest, command: str, write: WriteLine, timeout_s: float, *, process_type: str = ONE_OFF) -> Exit:
        """Run a one-off dyno of the manifest's slug to its end, its output line by line."""
        ...

    def attach(self, manifest: Manifest, one_off: OneOff) -> AbstractAsyncContextManager[Attached]:
        """Run a one-off dyno for the length of the block; at its end, or when the caller vanishes, all of it is gone.

        Raises Unavailable, and Conflict where its number is taken.
        """
        ...

    async def detach(self, manifest: Manifest, one_off: OneOff) -> None:
        """Start a one-off dyno that runs by itself, its output in the app's log. Raises as `attach`."""
        ...

    async def one_offs(self, app_id: AppId | None = None) -> Sequence[Dyno]:
        """Return the one-off dynos that run, attached or not, of one app with what each runs, or of all; `dynos` has none of them."""
        ...


class Unready(Exception):
    """A dyno did not become ready; `reason` is a sentence for the user."""

    def __init__(self, dyno: str, reason: str) -> None:
        super().__init__(f"{dyno}: {reason}")
        self.dyno = dyno
        self.reason = reason
