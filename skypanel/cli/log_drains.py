"""Commands about the log drains of an app."""

import sys

import click

from skypanel.cli import session
from skypanel.cli.tables import show_table, time
from skypanel.domain.access import Action
from skypanel.domain.account import Account
from skypanel.domain.log_drain import LogDrain
from skypanel.flow import apps as apps_flow
from skypanel.flow import log_drains
from skypanel.ports.panel import Panel


@click.group()
def drains() -> None:
    """Send the log of an app to a server."""


@drains.command("list")
@click.argument("app")
def list_drains(app: str) -> None:
    """List an app's log drains."""

    async def act(panel: Panel, by: Account) -> None:
        found = await log_drains.of(panel, await apps_flow.access(panel, by, app, Action.CONFIGURE_APP))
        show_table([("TOKEN", "URL", "SENT UNTIL", "DROPPED", "ERROR"), *map(_row, found)])

    session.run(act)


@drains.command("add")
@click.argument("app")
@click.argument("url")
def add_drain(app: str, url: str) -> None:
    """Add a log drain: a URL of syslog, syslog+tls or https, or - to read it from standard input."""
    chosen = sys.stdin.readline().strip() if url == "-" else url

    async def act(panel: Panel, by: Account) -> None:
        made = await log_drains.add(panel, await apps_flow.access(panel, by, app, Action.CONFIGURE_APP), by, chosen)
        click.echo(f"The log of {app} goes to {made.shown}, as {made.token}.")

    session.run(act)


@drains.command("remove")
@click.argument("app")
@click.argument("drain")
def remove_drain(app: str, drain: str) -> None:
    """Remove a log drain by its token or its URL."""

    async def act(panel: Panel, by: Account) -> None:
        removed = await log_drains.remove(panel, await apps_flow.access(panel, by, app, Action.CONFIGURE_APP), by, drain)
        click.echo(f"The log drain to {removed.shown} is removed.")

    session.run(act)


def _row(of: LogDrain) -> tuple[str, ...]:
    return of.token, of.shown, time(of.sent_until), str(of.dropped), of.error or ""


COMMANDS = (drains,)
