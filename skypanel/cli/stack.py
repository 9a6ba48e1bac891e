"""Commands about the stack images."""

import click

from skypanel.domain.stack import Image
from skypanel.drivers.docker import stack as images
from skypanel.drivers.docker.api import DockerApi


@click.group()
def stack() -> None:
    """Make the images that apps on Docker Swarm are built and run in."""


@stack.command()
@click.option("--docker", "url", default="unix:///var/run/docker.sock", show_default=True, help="The daemon.")
@click.option("--base", default=images.BASE, show_default=True, help="What to pull and build on; an empty name pulls nothing.")
def build(url: str, base: str) -> None:
    """Make the run and the build image; what is there already stays."""
    docker = DockerApi(url)
    for image in Image:
        images.ensure(docker, images.define(image), click.echo, base or None)


COMMANDS = (stack,)
