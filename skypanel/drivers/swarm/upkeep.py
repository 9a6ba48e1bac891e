"""Periodic work for a Swarm: the guard of its nodes, and orphans at the manager's daemon."""

from collections.abc import Collection

from skypanel.domain.ids import AppId, OrganizationId
from skypanel.drivers.docker import sweep as container_sweep
from skypanel.drivers.docker.api import DockerApi
from skypanel.drivers.docker.sweep import MAKING_S
from skypanel.drivers.swarm.guard import SwarmGuard
from skypanel.drivers.swarm.run import OneOffs
from skypanel.drivers.swarm.services import Services


class SwarmUpkeep:
    """Upkeep of one panel. Caches and networks younger than `young_s` stay."""

    def __init__(self, docker: DockerApi, panel: str, guard: SwarmGuard, young_s: float = MAKING_S) -> None:
        self._docker = docker
        self._panel = panel
        self._guard = guard
        self._young_s = young_s

    async def remove_orphans(self, apps: Collection[AppId], organizations: Collection[OrganizationId]) -> None:
        """Remove orphans of killed workers, and of apps and organizations that are not listed. Then ensure the nodes' guard."""
        await container_sweep.sweep(self._docker)
        await container_sweep.sweep_caches(self._docker, self._panel, apps, self._young_s)
        await OneOffs(self._docker, self._panel).sweep()
        await Services(self._docker, self._panel).forget_networks(organizations, self._young_s)
        # Last, because it waits for new nodes.
        await self._guard.ensure()
