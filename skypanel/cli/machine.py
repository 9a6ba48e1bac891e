"""Commands about the panel on this machine."""

import asyncio
import os
import sys

import click

from skypanel import bootstrap
from skypanel.cli import session
from skypanel.embedded import doctor as doctor_checks
from skypanel.embedded import home, service
from skypanel.flow.secrets import rotate
from skypanel.settings import sources
from skypanel.settings.paths import home_folder


@click.command()
def init() -> None:
    """Make the panel's home, its keys and its database, without starting it."""
    loaded = home.init(home_folder(os.environ), os.environ)
    click.echo(f"The home {loaded.home} is ready.")


@click.command()
def migrate() -> None:
    """Bring the schema of a running database up to date."""
    loaded = sources.load(os.environ)
    session.become(loaded.panel_uid, loaded.panel_gid)
    bootstrap.upgrade(loaded)
    click.echo("The database is up to date.")


@click.command()
def doctor() -> None:
    """Say what is missing or unhealthy, and what to do about it."""
    sys.exit(doctor_checks.run(os.environ))


@click.command("rotate-keys")
def rotate_keys() -> None:
    """Make a new encryption key and encrypt all secrets with it; works while the panel runs."""
    click.echo(f"{asyncio.run(_rotate())} secrets are encrypted with a new key.")


async def _rotate() -> int:
    async with session.panel() as panel:
        return await rotate(panel, bootstrap.key_ring(sources.load(os.environ)))


@click.command("install-service")
def install_service() -> None:
    """Write a systemd unit that starts the panel with the machine."""
    click.echo(service.install(os.environ))


COMMANDS = (init, migrate, doctor, rotate_keys, install_service)
