"""Commands about the stack images."""

import click

from skypanel.engines import manager


@click.group()
def stack() -> None:
    """Make the images that apps on Docker Swarm are built and run in."""


@stack.command()
@click.option("--docker", "url", default="unix:///var/run/docker.sock", show_default=True, help="The daemon.")
@click.option("--base", default=manager.BASE, show_default=True, help="The base image to pull and build on; an empty name pulls nothing.")
def build(url: str, base: str) -> None:
    """Make the run and the build image; what is there already stays."""
    manager.make_images(url, base or None, click.echo)


COMMANDS = (stack,)
