"""A Swarm's manager on this machine: what it lacks for a panel, and making its stack images."""

from collections.abc import Callable
from dataclasses import dataclass

from skypanel.domain.stack import Image
from skypanel.drivers.docker import stack
from skypanel.drivers.docker.api import DockerApi
from skypanel.drivers.swarm import probe

BASE = stack.BASE


@dataclass(frozen=True)
class Manager:
    """The stack images that a daemon has not, and whether the kernel balances loads."""

    missing: tuple[Image, ...]
    has_ip_vs: bool


async def look(url: str) -> Manager:
    """Look at a daemon. Raises Unavailable where there is none, or it is no manager of a Swarm."""
    docker = DockerApi(url)
    try:
        await probe.check_manager(docker)
        missing = [image for image in Image if not await probe.has_image(docker, stack.define(image).name)]
        return Manager(tuple(missing), probe.has_ip_vs())
    finally:
        await docker.close()


def make_images(url: str, base: str | None, say: Callable[[str], None]) -> None:
    """Have the stack images at a daemon; those that are there stay. Without a base nothing is pulled. Raises Unavailable."""
    docker = DockerApi(url)
    for image in Image:
        stack.ensure(docker, stack.define(image), say, base)
