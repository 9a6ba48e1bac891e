"""Tables and times in the output of commands."""

from collections.abc import Sequence
from datetime import datetime

import click

from skypanel.domain.suspension import Suspension

# Why nothing of an organization runs, and how to change that.
NOTES = {
    Suspension.UNPAID: "stopped: the wallet is empty; `wallet credit` adds credit",
    Suspension.HELD: "suspended by an administrator; `orgs resume` resumes it",
}


def show_table(rows: Sequence[Sequence[str]]) -> None:
    """Print rows in columns; the first is the header."""
    widths = [max(len(cell) for cell in column) for column in zip(*rows, strict=True)]
    for row in rows:
        click.echo("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def time(moment: datetime) -> str:
    """Return a moment in this machine's time zone, to the second."""
    return moment.astimezone().strftime("%Y-%m-%d %H:%M:%S %z")
