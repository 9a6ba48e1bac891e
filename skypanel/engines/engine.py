"""The interface of an engine."""

from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Protocol

from skypanel.ports.builder import Builder
from skypanel.ports.clock import Clock
from skypanel.ports.logs import Logs
from skypanel.ports.metrics import Metrics
from skypanel.ports.objects import Objects
from skypanel.ports.router import Router
from skypanel.ports.scheduler import Scheduler, StageElsewhere, StopElsewhere
from skypanel.ports.upkeep import Upkeep
from skypanel.settings import Settings


@dataclass(frozen=True)
class RemoteNodes:
    """What the agents on nodes other than the manager do for an engine."""

    stage: StageElsewhere
    stop: StopElsewhere


@dataclass(frozen=True)
class Engine:
    """The ports that differ between engines."""

    scheduler: Scheduler
    builder: Builder
    upkeep: Upkeep
    router: Router
    logs: Logs
    metrics: Metrics


class OpenEngine(Protocol):
    """The type of `open_engine` in each engine's module. Resources to close go on `stack`."""

    def __call__(self, settings: Settings, objects: Objects, clock: Clock, stack: AsyncExitStack, elsewhere: RemoteNodes, /) -> Engine:
        """Return the engine. It makes no connection to any server yet."""
        ...
