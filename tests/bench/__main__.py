"""Measure: `python -m tests.bench [subject ...]`. Prints a table and writes docs/bench.json."""

import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import click

from tests.bench import api, deploys, dynos, idle, memory, pages, pushes, slugs, starts, swarm
from tests.bench.figures import Figure, from_json, merged, table, to_json
from tests.bench.stage import Stage

FILE = Path(__file__).parents[2] / "docs" / "bench.json"

SUBJECTS: Mapping[str, Callable[[Stage], list[Figure]]] = {
    "idle.memory": memory.idle,
    "idle.apps": idle.apps,
    "up": starts.up,
    "up.apps": starts.apps,
    "push.full": pushes.full,
    "push.small": pushes.small,
    "push.concurrent": pushes.concurrent,
    "push.http": pushes.http,
    "deploy.phases": deploys.phases,
    "deploy.row": deploys.row,
    "rollback.embedded": deploys.rollback,
    "config.embedded": deploys.config,
    "deploy.failed_requests": deploys.failed_requests,
    "dashboard": pages.dashboard,
    "api": api.calls,
    "logs.tail": api.tail,
    "swarm": swarm.changes,
    "dynos": dynos.many,
    "start.overhead": slugs.overhead,
}


@click.command()
@click.argument("names", nargs=-1, type=click.Choice(list(SUBJECTS)), metavar="[SUBJECT]...")
def main(names: tuple[str, ...]) -> None:
    """Measure some subjects or all; figures of others stay in docs/bench.json as they are."""
    found: list[Figure] = []
    with Stage() as stage:
        for name in names or SUBJECTS:
            click.echo(f"measuring {name}", err=True)
            found += SUBJECTS[name](stage)
    kept = from_json(FILE.read_text()) if names and FILE.exists() else []
    FILE.write_text(to_json(merged(kept, found)))
    click.echo(table(found))


if __name__ == "__main__":
    sys.exit(main())
