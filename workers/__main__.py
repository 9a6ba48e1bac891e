"""A worker without a local panel: `python -m workers`, on this machine or another.

If the environment names a database, Redis and the encryption keys, the worker needs nothing else of the panel. Otherwise it works for the
panel of SKYPANEL_HOME. SKYPANEL_QUEUES chooses its queues.
"""

import asyncio
import os
import sys
from collections.abc import Mapping
from pathlib import Path

from skypanel.bootstrap import open_database
from skypanel.domain.errors import Conflict, SkyPanelError
from skypanel.embedded.processes import Binaries, worker_argv
from skypanel.flow import setup
from skypanel.settings import Settings, sources
from skypanel.settings.sources import IDENTITY

FOLDERS = ("run", "spool")


def make_folders(loaded: Settings) -> None:
    """Create the folders that a worker writes to if there is no panel's home. Raises Conflict if another user owns them."""
    if not loaded.database_url:
        return
    loaded.home.mkdir(mode=0o700, parents=True, exist_ok=True)
    if loaded.home.stat().st_uid != os.geteuid():
        raise Conflict(f"{loaded.home} belongs to another user.", "Set SKYPANEL_HOME to a folder of your own.")
    for name in FOLDERS:
        (loaded.home / name).mkdir(mode=0o700, exist_ok=True)


async def own_environment(loaded: Settings) -> Mapping[str, str]:
    """Return variables that the worker needs besides its environment: for a remote database, the panel's identity. Raises Unavailable."""
    if not loaded.database_url:
        return {}
    async with open_database(loaded) as database:
        return {IDENTITY: await setup.identity(database)}


def main() -> None:
    """Replace this process with the worker."""
    try:
        loaded = sources.of_worker(os.environ)
        make_folders(loaded)
        own = asyncio.run(own_environment(loaded))
    except SkyPanelError as error:
        sys.exit(str(error))
    nowhere = Path()
    binaries = Binaries(python=Path(sys.executable), postgres=nowhere, valkey=nowhere, traefik=nowhere)
    argv = worker_argv(binaries, loaded.queues, f"worker-{os.getpid()}")
    os.execve(argv[0], argv, {**os.environ, **own})  # noqa: S606 - it is what this program is for


if __name__ == "__main__":
    main()
