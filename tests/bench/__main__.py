"""Measure: `python -m tests.bench [subject ...]`. Prints a table, and writes docs/bench.json and the tables of docs/benchmarks.md."""

import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import click

from tests.bench import api, deploys, domains, dynos, growth, idle, logs, memory, metrics, pages, pushes, slugs, starts, swarm
from tests.bench.document import with_figures
from tests.bench.figures import Figure, from_json, merged, table, to_json
from tests.bench.stage import Stage

FILE = Path(__file__).parents[2] / "docs" / "bench.json"
DOCUMENT = FILE.with_name("benchmarks.md")

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
    "pages": pages.pages,
    "growth": growth.growth,
    "domains": domains.domains,
    "api": api.calls,
    "logs.tail": api.tail,
    "logs": logs.logs,
    "logs.collector": logs.collected,
    "swarm": swarm.changes,
    "dynos": dynos.many,
    "metrics": metrics.sampling,
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
    figures = merged(kept, found)
    FILE.write_text(to_json(figures))
    DOCUMENT.write_text(with_figures(DOCUMENT.read_text(), figures))
    click.echo(table(found))


if __name__ == "__main__":
    sys.exit(main())
