"""Resource usage of a node."""

import os
import shutil
import time
from collections.abc import Iterator
from typing import Any

from workers.agent.docker import Docker
from workers.agent.dynos import dyno_of
from workers.agent.errors import Refused


class HostMetrics:
    """Measures the resource usage of the node. Rates are averages since the last report."""

    def __init__(self, docker: Docker) -> None:
        self._docker = docker
        self._ticks = _ticks()
        self._dynos: dict[str, tuple[float, float]] = {}

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
            "dynos": [use for container in containers for use in self._use(container)],
        }

    def _use(self, container: dict[str, Any]) -> Iterator[dict[str, Any]]:
        dyno = dyno_of(container["Id"], container.get("Labels") or {})
        if dyno is None:
            return
        try:
            stats = self._docker.ask("GET", f"/containers/{container['Id']}/stats?stream=false&one-shot=true") or {}
        except Refused:
            return  # the container has ended meanwhile
        used_s = stats.get("cpu_stats", {}).get("cpu_usage", {}).get("total_usage", 0) / 1e9
        now = time.monotonic()
        before = self._dynos.get(container["Id"], (used_s, now))
        self._dynos[container["Id"]] = (used_s, now)
        memory = stats.get("memory_stats", {})
        cache = memory.get("stats", {})
        held = memory.get("usage", 0) - cache.get("inactive_file", cache.get("total_inactive_file", 0))
        yield {
            "app_id": dyno.app_id,
            "name": dyno.name,
            "cpu_cores": max(0.0, used_s - before[0]) / (now - before[1]) if now > before[1] else 0.0,
            "memory_bytes": max(0, held),
        }


def _ticks() -> tuple[int, int]:
    """Return used and total processor time, in ticks (proc_stat(5))."""
    with open("/proc/stat") as file:
        fields = [int(field) for field in file.readline().split()[1:9]]
    return sum(fields) - fields[3] - fields[4], sum(fields)


def _memory() -> dict[str, int]:
    """Return /proc/meminfo in bytes."""
    with open("/proc/meminfo") as file:
        return {name: int(value.split()[0]) * 1024 for name, _, value in (line.partition(":") for line in file)}
