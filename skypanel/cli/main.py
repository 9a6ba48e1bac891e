"""The group of all commands, and the edge where errors become lines."""

import sys

import click

from skypanel.cli import accounts, apps, machine
from skypanel.domain.errors import SkyPanelError


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="skypanel")
def commands() -> None:
    """Heroku on your own machines: push a repository, get a running app."""


for module in (machine, apps, accounts):
    for command in module.COMMANDS:
        commands.add_command(command)


def main() -> None:
    """Run a command; an error the user can mend is two lines and exit status 1."""
    try:
        commands(prog_name="skypanel")
    except SkyPanelError as error:
        for line in (error.message, error.hint):
            if line:
                click.echo(f" !     {line}", err=True)
        sys.exit(1)
