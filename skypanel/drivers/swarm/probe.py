"""Detects what a Swarm supports, and what a panel lacks there."""

import subprocess
from pathlib import Path

from skypanel.domain.errors import NotFound
from skypanel.drivers.docker.api import DockerApi

IP_VS = Path("/proc/net/ip_vs")


def has_ip_vs(table: Path = IP_VS) -> bool:
    """Whether this machine's kernel supports load balancing (IP_VS), which services with a virtual address (vip) need."""
    if table.exists():
        return True
    try:
        return subprocess.run(("modprobe", "--dry-run", "--quiet", "ip_vs"), check=False).returncode == 0
    except FileNotFoundError:
        return False


async def check_manager(docker: DockerApi) -> None:
    """Raise Unavailable if there is no daemon, or if it is not a manager of a Swarm."""
    await docker.call(lambda client: client.nodes())


async def has_image(docker: DockerApi, name: str) -> bool:
    """Whether the daemon has an image. Raises Unavailable."""
    try:
        await docker.call(lambda client: client.inspect_image(name))
    except NotFound:
        return False
    return True
