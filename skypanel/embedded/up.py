"""`skypanel up`: runs the panel in the foreground."""

import asyncio
import contextlib
import fcntl
import os
from collections.abc import Iterator, Mapping
from pathlib import Path

from skypanel.domain.errors import Conflict, Denied, NotFound
from skypanel.embedded.home import init
from skypanel.embedded.interruption import interruption
from skypanel.embedded.listeners import check_public_ports
from skypanel.embedded.open_files import raise_limit
from skypanel.embedded.running import RunningPanel
from skypanel.settings import sources
from skypanel.settings.paths import home_folder

POLL_S = 0.1
PREVIOUS_END_TIMEOUT_S = 60.0


def run(environ: Mapping[str, str]) -> int:
    """Run a panel until SIGINT, SIGTERM or SIGHUP, and return the exit status. Raises SkyPanelError if it cannot start."""
    home = home_folder(environ)
    with _held(home):
        return asyncio.run(_run(home, environ))


async def _run(home: Path, environ: Mapping[str, str]) -> int:
    raise_limit()
    async with interruption() as interrupted:
        await _until_previous_ended(environ)
        ready = init(home, environ, starting=True)
        check_public_ports(ready.address)
        panel = RunningPanel(ready, environ)
        try:
            await interrupted.or_end_of(panel.start())
            if not interrupted.once.is_set():
                await interrupted.or_end_of(panel.keep())
        finally:
            await panel.stop(interrupted.again)
    return 0


@contextlib.contextmanager
def _held(home: Path) -> Iterator[None]:
    """Lock the home, so that no second `up` uses it. The kernel releases the lock if this process ends."""
    try:
        home.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(home, os.O_RDONLY | os.O_DIRECTORY)
    except PermissionError:
        raise Denied(f"{home} belongs to another user.", "Set SKYPANEL_HOME to a folder of your own, or start the panel as root.") from None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        raise Conflict(f"The panel in {home} is already running.", "Stop it first, or set SKYPANEL_HOME to another folder.") from None
    try:
        yield
    finally:
        os.close(descriptor)


async def _until_previous_ended(environ: Mapping[str, str]) -> None:
    """Wait for the processes of a killed `up`: the kernel has sent them a signal to stop."""
    try:
        socket = sources.load(environ).run_dir / "supervisor.sock"
    except NotFound:
        return
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(PREVIOUS_END_TIMEOUT_S):
            while await _somebody_listens(socket):  # noqa: ASYNC110 - it is another process that ends
                await asyncio.sleep(POLL_S)


async def _somebody_listens(socket: Path) -> bool:
    try:
        _, writer = await asyncio.open_unix_connection(socket)
    except OSError:
        return False
    writer.close()
    return True
