"""Prepares the Swarm manager of this machine: checks its requirements and builds the stack images."""

from collections.abc import Callable
from dataclasses import dataclass

from skypanel.domain.stack import StackImage
from skypanel.drivers.docker import stack
from skypanel.drivers.docker.api import DockerApi
from skypanel.drivers.swarm import probe

BASE = stack.BASE


@dataclass(frozen=True)
class Manager:
    """The stack images that a daemon lacks, and whether the kernel supports load balancing (IP_VS)."""

    missing: tuple[StackImage, ...]
    has_ip_vs: bool


async def inspect(url: str) -> Manager:
    """Inspect a daemon. Raises Unavailable if there is none, or if it is not a manager of a Swarm."""
    docker = DockerApi(url)
    try:
        await probe.check_manager(docker)
        missing = [image for image in StackImage if not await probe.has_image(docker, stack.define(image).name)]
        return Manager(tuple(missing), probe.has_ip_vs())
    finally:
        await docker.close()


def make_images(url: str, base: str | None, say: Callable[[str], None]) -> None:
    """Build the stack images that a daemon lacks. Without a base nothing is pulled. Raises Unavailable."""
    docker = DockerApi(url)
    for image in StackImage:
        stack.ensure(docker, stack.define(image), say, base)
