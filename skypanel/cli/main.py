"""The group of all commands. At this process edge, errors become messages."""

import gc
import sys
from collections.abc import Callable, Mapping

import click

from skypanel.domain.errors import SkyPanelError

Loaded = tuple[click.Command, ...]


def _up() -> Loaded:
    from skypanel.cli import up

    return up.COMMANDS


def _machine() -> Loaded:
    from skypanel.cli import machine

    return machine.COMMANDS


def _nodes() -> Loaded:
    from skypanel.cli import nodes

    return nodes.COMMANDS


def _apps() -> Loaded:
    from skypanel.cli import apps

    return apps.COMMANDS


def _certificates() -> Loaded:
    from skypanel.cli import certificates

    return certificates.COMMANDS


def _metrics() -> Loaded:
    from skypanel.cli import metrics

    return metrics.COMMANDS


def _logs() -> Loaded:
    from skypanel.cli import logs

    return logs.COMMANDS


def _domains() -> Loaded:
    from skypanel.cli import domains

    return domains.COMMANDS


def _run() -> Loaded:
    from skypanel.cli import run

    return run.COMMANDS


def _remote() -> Loaded:
    from skypanel.cli import remote

    return remote.COMMANDS


def _heroku() -> Loaded:
    from skypanel.cli import heroku

    return heroku.COMMANDS


def _settings() -> Loaded:
    from skypanel.cli import settings

    return settings.COMMANDS


def _billing() -> Loaded:
    from skypanel.cli import billing

    return billing.COMMANDS


def _plans() -> Loaded:
    from skypanel.cli import plans

    return plans.COMMANDS


def _people() -> Loaded:
    from skypanel.cli import people

    return people.COMMANDS


def _accounts() -> Loaded:
    from skypanel.cli import accounts

    return accounts.COMMANDS


def _stack() -> Loaded:
    from skypanel.cli import stack

    return stack.COMMANDS


def _webhooks() -> Loaded:
    from skypanel.cli import webhooks

    return webhooks.COMMANDS


def _log_drains() -> Loaded:
    from skypanel.cli import log_drains

    return log_drains.COMMANDS


# Modules are imported when their command runs: `up` runs as long as the panel and must stay small.
MODULES: Mapping[Callable[[], Loaded], tuple[str, ...]] = {
    _up: ("up",),
    _machine: (
        "init",
        "migrate",
        "doctor",
        "rotate-keys",
        "install-service",
    ),
    _nodes: ("nodes",),
    _metrics: ("metrics",),
    _logs: ("logs",),
    _apps: (
        "apps",
        "ps",
        "scale",
        "restart",
        "stop",
        "config",
        "health",
        "http",
        "releases",
        "rollback",
        "maintenance",
        "branch",
        "rename",
        "transfer",
        "destroy",
    ),
    _domains: ("domains",),
    _certificates: ("certs",),
    _run: ("run",),
    _remote: ("remote",),
    _heroku: ("heroku",),
    _settings: (
        "settings",
        "storage",
    ),
    _billing: (
        "wallet",
        "usage",
    ),
    _plans: ("plans",),
    _people: (
        "orgs",
        "members",
        "access",
    ),
    _accounts: (
        "accounts",
        "keys",
        "tokens",
        "login-link",
        "passwd",
    ),
    _stack: ("stack",),
    _webhooks: ("webhooks",),
    _log_drains: ("drains",),
}


class Commands(click.Group):
    """A group that loads the commands of all modules on demand."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """Return all names."""
        return sorted(name for names in MODULES.values() for name in names)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - click's signature
        """Return a command from its module."""
        load = next((load for load, names in MODULES.items() if cmd_name in names), tuple)
        return next((command for command in _loaded(load) if command.name == cmd_name), None)


def _loaded(load: Callable[[], Loaded]) -> Loaded:
    """Load without garbage collection. Modules are no garbage, and the collector would take a sixth of a command's time."""
    gc.disable()
    try:
        return load()
    finally:
        gc.freeze()
        gc.enable()


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="skypanel")
def commands() -> None:
    """Heroku on your own machines: push a repository, get a running app."""


def main() -> None:
    """Run a command. An error that the user can fix becomes up to two lines, with exit status 1."""
    try:
        commands(prog_name="skypanel")
    except SkyPanelError as error:
        for line in (error.message, error.hint):
            if line:
                click.echo(f" !     {line}", err=True)
        sys.exit(1)
