"""One machine without Docker: dynos and builds as sandboxes at the launcher."""

from contextlib import AsyncExitStack

from skypanel.drivers.bubblewrap import BubblewrapBuilder
from skypanel.drivers.launcher import Launcher
from skypanel.drivers.log_files import FileLogs
from skypanel.drivers.process import ProcessScheduler
from skypanel.drivers.traefik import TraefikRouter
from skypanel.engines import Elsewhere, Engine
from skypanel.ports import Clock, Objects
from skypanel.settings import Settings


def open_engine(settings: Settings, objects: Objects, clock: Clock, _stack: AsyncExitStack, _elsewhere: Elsewhere) -> Engine:
    """Return the drivers of the embedded engine."""
    launcher = Launcher(settings.launcher_socket)
    return Engine(
        scheduler=ProcessScheduler(launcher, objects),
        builder=BubblewrapBuilder(launcher),
        router=TraefikRouter(f"http://127.0.0.1:{settings.traefik_port}", settings.traefik_token),
        logs=FileLogs(settings.logs, clock),
    )
