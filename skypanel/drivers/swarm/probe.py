"""What a Swarm can do, and what it lacks for a panel."""

import subprocess
from pathlib import Path

from skypanel.domain.errors import NotFound
from skypanel.drivers.docker.api import DockerApi

IP_VS = Path("/proc/net/ip_vs")


def has_ip_vs(table: Path = IP_VS) -> bool:
    """Whether this machine's kernel balances loads, which services with an address of their own (vip) need."""
    if table.exists():
        return True
    try:
        return subprocess.run(("modprobe", "--dry-run", "--quiet", "ip_vs"), check=False).returncode == 0
    except FileNotFoundError:
        return False


async def check_manager(docker: DockerApi) -> None:
    """Raise Unavailable where there is no daemon, or it is no manager of a Swarm."""
    await docker.call(lambda client: client.nodes())


async def has_image(docker: DockerApi, name: str) -> bool:
    """Whether an image is there. Raises Unavailable."""
    try:
        await docker.call(lambda client: client.inspect_image(name))
    except NotFound:
        return False
    return True
