"""The engine for one machine without Docker: the launcher runs dynos and builds in sandboxes."""

from collections.abc import Collection, Mapping
from contextlib import AsyncExitStack
from typing import Any

from skypanel.domain.ids import AppId, OrganizationId
from skypanel.drivers.logs.files import FileLogs
from skypanel.drivers.proxy.traefik import TraefikRouter
from skypanel.drivers.sandbox.builder import BubblewrapBuilder
from skypanel.drivers.sandbox.launcher import Launcher
from skypanel.drivers.sandbox.metrics import LauncherMetrics
from skypanel.drivers.sandbox.scheduler import ProcessScheduler
from skypanel.engines.engine import Engine, RemoteNodes
from skypanel.ports.clock import Clock
from skypanel.ports.objects import Objects
from skypanel.settings import Settings


class LauncherUpkeep:
    """Upkeep of one machine. The launcher removes a build with its connection and an app's dynos with the app."""

    async def remove_orphans(self, apps: Collection[AppId], organizations: Collection[OrganizationId]) -> None:
        """Do nothing: the launcher leaves no orphans."""


async def features(settings: Settings, patience_s: float) -> Mapping[str, Any]:
    """Return the features that the launcher detected. Raises Unavailable if it does not answer within `patience_s`."""
    return await Launcher(settings.launcher_socket).ask({"do": "features"}, patience_s)


def open_engine(settings: Settings, objects: Objects, clock: Clock, _stack: AsyncExitStack, _elsewhere: RemoteNodes) -> Engine:
    """Return the drivers of the embedded engine."""
    launcher = Launcher(settings.launcher_socket)
    return Engine(
        scheduler=ProcessScheduler(launcher, objects, settings.stop_grace_s),
        builder=BubblewrapBuilder(launcher),
        upkeep=LauncherUpkeep(),
        router=TraefikRouter(f"http://127.0.0.1:{settings.traefik_port}", settings.traefik_token),
        logs=FileLogs(settings.logs, clock),
        metrics=LauncherMetrics(launcher),
    )
