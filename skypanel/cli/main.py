"""The group of all commands, and the edge where errors become lines."""

import sys
from collections.abc import Mapping
from importlib import import_module

import click

from skypanel.domain.errors import SkyPanelError

# A command's module is imported when it is called for: `up` stays as long as the panel, and is to be small.
MODULES: Mapping[str, tuple[str, ...]] = {
    "up": ("up",),
    "machine": ("init", "migrate", "doctor", "rotate-keys", "install-service"),
    "nodes": ("nodes",),
    "apps": (
        "apps",
        "ps",
        "scale",
        "restart",
        "stop",
        "config",
        "health",
        "releases",
        "rollback",
        "logs",
        "maintenance",
        "rename",
        "transfer",
        "destroy",
    ),
    "run": ("run",),
    "remote": ("remote",),
    "heroku": ("heroku",),
    "settings": ("settings", "storage"),
    "billing": ("wallet", "usage"),
    "people": ("orgs", "members", "access"),
    "accounts": ("accounts", "keys", "tokens", "login-link", "passwd"),
    "stack": ("stack",),
}


class Commands(click.Group):
    """The commands of all modules."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """Return all names."""
        return sorted(name for names in MODULES.values() for name in names)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - click's signature
        """Return a command from its module."""
        module = next((module for module, names in MODULES.items() if cmd_name in names), None)
        found: tuple[click.Command, ...] = import_module(f"skypanel.cli.{module}").COMMANDS if module else ()
        return next((command for command in found if command.name == cmd_name), None)


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="skypanel")
def commands() -> None:
    """Heroku on your own machines: push a repository, get a running app."""


def main() -> None:
    """Run a command; an error the user can mend is two lines and exit status 1."""
    try:
        commands(prog_name="skypanel")
    except SkyPanelError as error:
        for line in (error.message, error.hint):
            if line:
                click.echo(f" !     {line}", err=True)
        sys.exit(1)
