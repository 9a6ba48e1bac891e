"""What a monitoring system is told of the panel. Values are of now; rates and history are its own matter."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from skypanel.domain.figures import PanelFigures
from skypanel.domain.job import JobKind
from skypanel.domain.node import Node

# Each app has as many series as there are measures. Of more apps than this, the oldest are listed: those stay the same.
MOST_APPS = 10_000
# What a dyno used is sampled every 10 s. One that was missed three times does not run.
RECENT = timedelta(seconds=30)


@dataclass(frozen=True)
class QueueState:
    """How many jobs of a kind run and how many wait, and how many seconds the oldest of them has waited; 0 where none does."""

    kind: JobKind
    running: int
    waiting: int
    oldest_s: float


@dataclass(frozen=True)
class MonitoredApp:
    """An app: its dynos, those that should run and those that were measured lately, and what these use together."""

    name: str
    organization: str
    wanted: int
    running: int
    cpu_cores: float
    memory_bytes: int


@dataclass(frozen=True)
class ProcessUse:
    """One of the panel's processes with those that it started: its CPU time so far, and its memory.

    The memory leaves out what it shares with files.
    """

    name: str
    cpu_s: float
    memory_bytes: int


@dataclass(frozen=True)
class Monitored:
    """The state of the panel: its totals, queues, nodes, apps and own processes."""

    figures: PanelFigures
    queues: Sequence[QueueState]
    nodes: Sequence[Node]
    apps: Sequence[MonitoredApp]
    processes: Sequence[ProcessUse]
