"""The command about what dynos use."""

import click

from skypanel.cli import session
from skypanel.cli.tables import show_table, time
from skypanel.domain.access import Action
from skypanel.domain.account import Account
from skypanel.domain.metrics import Measure, Range, Series
from skypanel.flow import apps, metrics
from skypanel.ports.panel import Panel

HEADER = ("DYNO", "CPU NOW", "MEAN", "PEAK", "MEMORY NOW", "PEAK", "DISK", "IN", "OUT", "RESTARTS")
_MB = 1_000_000
_KB = 1_000


@click.command("metrics")
@click.argument("app")
@click.option("--range", "shown", type=click.Choice(list(Range)), default=Range.HOUR.value, show_default=True, help="The time until now.")
def show(app: str, shown: str) -> None:
    """Show what an app's dynos used, and what happened meanwhile."""

    async def act(panel: Panel, by: Account) -> None:
        found = await metrics.read(panel, await apps.access(panel, by, app, Action.VIEW_APP), Range(shown))
        plan = found.app.plan
        click.echo(f"{plan.name}: {plan.cpu_cores:g} CPU cores and {plan.memory_bytes / _MB:.0f} MB of memory for each dyno")
        show_table([HEADER, *map(row, found.history.series)])
        for mark in found.marks:
            click.echo(f"{time(mark.at)}  {mark.kind}: {mark.text}")

    session.run(act)


def row(of: Series) -> tuple[str, ...]:
    """Return what a dyno used as cells of the table."""
    return (
        of.dyno,
        *(_number(value, 1, 2) for value in (of.last(Measure.CPU), of.mean(Measure.CPU), of.peak(Measure.CPU))),
        *(_number(value, _MB, 1, " MB") for value in (of.last(Measure.MEMORY), of.peak(Measure.MEMORY), of.last(Measure.DISK))),
        *(_number(value, _KB, 1, " kB/s") for value in (of.mean(Measure.RECEIVED), of.mean(Measure.SENT))),
        str(sum(of.restarted())),
    )


def _number(value: float | None, unit: int, decimals: int, suffix: str = "") -> str:
    return "-" if value is None else f"{value / unit:.{decimals}f}{suffix}"


COMMANDS = (show,)
