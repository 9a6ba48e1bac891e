"""The command that reads an app's log."""

from contextlib import aclosing
from dataclasses import replace

import click

from skypanel.cli import session
from skypanel.domain.access import Action
from skypanel.domain.account import Account
from skypanel.domain.errors import Invalid
from skypanel.domain.log import Level, Source
from skypanel.domain.log_filter import LogFilter
from skypanel.flow import apps
from skypanel.ports.panel import Panel

MAX_LINES = 10_000


@click.command("logs")
@click.argument("app")
@click.option(
    "--num",
    "--lines",
    "-n",
    "most",
    type=click.IntRange(0, MAX_LINES),
    default=100,
    show_default=True,
    help="How many of the last lines to show.",
)
@click.option("--tail", "-t", is_flag=True, help="Keep showing new lines.")
@click.option("--dyno", "-d", default="", help="Only this dyno, such as web.1, or web for all of that type.")
@click.option("--source", "-s", default="", help=f"Only lines of these: {', '.join(Source)}. Separate several by commas.")
@click.option("--level", "-l", default="", help=f"Only lines that state this level or a worse one: {', '.join(Level)}.")
@click.option("--search", default="", help="Only lines with all of these words, in any case.")
@click.option("--regex", default="", help="Only lines in which this regular expression (RE2) is found.")
@click.option("--since", default="", help="Only lines from this time on: 2026-01-31T14:30 in UTC, or how long ago: 15m, 1h30m, 7d.")
@click.option("--until", default="", help="Only lines before this time, written as --since.")
def show(app: str, most: int, *, tail: bool, **conditions: str) -> None:
    """Show the log of an app: what its dynos print, its requests, and what the platform does."""

    async def act(panel: Panel, by: Account) -> None:
        found = await apps.access(panel, by, app, Action.VIEW_APP)
        query = replace(LogFilter(**conditions).query(panel.clock.now()), limit=most)
        if tail and query.until:
            raise Invalid("A tail has no end.", "Give --until without --tail.")
        async with aclosing(panel.logs.read(found, query, follow=tail)) as lines:  # type: ignore[type-var]
            async for line in lines:
                click.echo(str(line))
        if trouble := panel.logs.trouble():
            click.echo(f"{trouble} These lines come from the panel's own store.", err=True)

    session.run(act)


COMMANDS = (show,)
