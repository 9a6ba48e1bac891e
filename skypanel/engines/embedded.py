"""One machine without Docker: dynos and builds as sandboxes at the launcher."""

from collections.abc import Collection
from contextlib import AsyncExitStack
from uuid import UUID

from skypanel.drivers.bubblewrap import BubblewrapBuilder
from skypanel.drivers.launcher import Launcher
from skypanel.drivers.log_files import FileLogs
from skypanel.drivers.process import ProcessScheduler
from skypanel.drivers.traefik import TraefikRouter
from skypanel.engines import Elsewhere, Engine
from skypanel.ports import Clock, Objects
from skypanel.settings import Settings


class LaunchersOwn:
    """The upkeep of one machine: the launcher is the parent of all that runs, and removes it with its connection or its app."""

    async def tend(self, apps: Collection[UUID], organizations: Collection[UUID]) -> None:
        """Leave it to the launcher."""


def open_engine(settings: Settings, objects: Objects, clock: Clock, _stack: AsyncExitStack, _elsewhere: Elsewhere) -> Engine:
    """Return the drivers of the embedded engine."""
    launcher = Launcher(settings.launcher_socket)
    return Engine(
        scheduler=ProcessScheduler(launcher, objects),
        builder=BubblewrapBuilder(launcher),
        upkeep=LaunchersOwn(),
        router=TraefikRouter(f"http://127.0.0.1:{settings.traefik_port}", settings.traefik_token),
        logs=FileLogs(settings.logs, clock),
    )
