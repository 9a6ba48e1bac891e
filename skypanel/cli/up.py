"""The command that starts the panel."""

import os
import sys

import click

from skypanel.embedded import up as up_


@click.command()
def up() -> None:
    """Start the panel here, in the foreground; Ctrl-C stops all of it."""
    sys.exit(up_.run(os.environ))


COMMANDS = (up,)
