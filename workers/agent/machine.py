"""Resource usage of a node."""

import os
import shutil
import time
from dataclasses import asdict
from typing import Any

from skypanel.host.usage import Containers
from workers.agent.docker import Docker
from workers.agent.dynos import dyno_of
from workers.agent.errors import Refused


class HostMetrics:
    """Measures the resource usage of the node. Rates are averages since the last report."""

    def __init__(self, docker: Docker) -> None:
        self._docker = docker
        self._ticks = _ticks()
        self._containers = Containers()

    def report(self) -> dict[str, Any]:
        """Return a report in the panel's format."""
        busy, total = _ticks()
        before, self._ticks = self._ticks, (busy, total)
        memory = _memory()
        disk = shutil.disk_usage("/var/lib/docker" if os.path.isdir("/var/lib/docker") else "/")
        cores = float(os.cpu_count() or 1)
        passed = total - before[1]
        containers = self._docker.ask("GET", "/containers/json") or []
        return {
            "cpu_cores": cores,
            "cpu_used": cores * (busy - before[0]) / passed if passed > 0 else 0.0,
            "memory_bytes": memory["MemTotal"],
            "memory_used_bytes": memory["MemTotal"] - memory["MemAvailable"],
            "disk_bytes": disk.total,
            "disk_used_bytes": disk.used,
            "containers": len(containers),
            "dynos": self._dynos(containers),
        }

    def _dynos(self, containers: "list[dict[str, Any]]") -> "list[dict[str, Any]]":
        """Return what the dynos use, from the files of their control groups: Docker's statistics take a second for each."""
        found = {each["Id"]: dyno for each in containers for dyno in [dyno_of(each["Id"], each.get("Labels") or {})] if dyno}
        slots = {container: dyno.slot for container, dyno in found.items() if dyno.slot}
        measured = self._containers.measure(time.monotonic(), slots, self._pid)
        return [{"app_id": found[each].app_id, "name": found[each].name, **asdict(use)} for each, use in measured.items()]

    def _pid(self, container: str) -> int:
        try:
            return int((self._docker.ask("GET", f"/containers/{container}/json") or {})["State"]["Pid"])
        except Refused:
            return 0  # it has ended meanwhile


def _ticks() -> tuple[int, int]:
    """Return used and total processor time, in ticks (proc_stat(5))."""
    with open("/proc/stat") as file:
        fields = [int(field) for field in file.readline().split()[1:9]]
    return sum(fields) - fields[3] - fields[4], sum(fields)


def _memory() -> dict[str, int]:
    """Return /proc/meminfo in bytes."""
    with open("/proc/meminfo") as file:
        return {name: int(value.split()[0]) * 1024 for name, _, value in (line.partition(":") for line in file)}
