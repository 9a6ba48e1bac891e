"""What the dynos of the panel's own machine use. The agents of other nodes report theirs."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict

from docker import APIClient
from docker.errors import NotFound

from skypanel.domain.manifest import DynoKey
from skypanel.domain.report import DynoUse
from skypanel.drivers.docker.api import PANEL, DockerApi, labelled
from skypanel.drivers.swarm.spec import key_of
from skypanel.host.usage import Containers

TASK = "com.docker.swarm.task.name"


class SwarmMetrics:
    """Reads the control groups of containers. Docker is asked only which there are: its statistics take a second for each."""

    def __init__(self, docker: DockerApi, panel: str) -> None:
        self._docker = docker
        self._panel = panel
        self._containers = Containers()

    async def measure(self) -> Sequence[DynoUse]:
        """Return what the dynos use, as averages since the last call."""
        return await self._docker.call(self._measured)

    def _measured(self, client: APIClient) -> Sequence[DynoUse]:
        found = client.containers(filters=labelled({PANEL: self._panel}))
        tasks = {each["Id"]: task for each in found if (task := _task(each["Labels"]))}
        slots = {container: slot for container, (slot, _) in tasks.items()}
        measured = self._containers.measure(time.monotonic(), slots, lambda container: _pid(client, container))
        return [DynoUse(key.app_id, key.name, **asdict(use)) for container, use in measured.items() for _, key in [tasks[container]]]


def _task(labels: Mapping[str, str]) -> tuple[str, DynoKey] | None:
    """Return the slot and the dyno of a task, by the labels of its container; None for any other container."""
    slot = labels.get(TASK, "").rpartition(".")[0]
    try:
        return slot, key_of(labels, int(slot.rpartition(".")[2]))
    except (KeyError, ValueError):
        return None


def _pid(client: APIClient, container: str) -> int:
    try:
        return int(client.inspect_container(container)["State"]["Pid"])
    except NotFound:
        return 0
