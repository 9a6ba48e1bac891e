"""The processes of a worker that is on its own: `python -m workers.run --deploys builds,rollouts,nodes --schedule periodic,billing`.

One works on deploys, the other on what the schedule asks for, so that nothing periodic takes a deploy's place or slows it down.
Both are forked off here once all is imported: what they have in common is in memory once. What is left here is their keeper.
"""

import gc
import os
import signal
import sys
from argparse import ArgumentParser
from collections.abc import Callable
from functools import partial

from celery import Celery

from skypanel.embedded.kernel import end_with
from workers.keeper import HEARD, become, marks, read
from workers.process import PanelProcess
from workers.work import work

Work = Callable[[], int]
# Returns the application, and what its jobs run in.
Load = Callable[[], tuple[Celery, PanelProcess]]


def fork(its_work: Work) -> int:
    """Do some work in a process of its own, and return its id."""
    parent = os.getpid()
    pid = os.fork()
    if not pid:
        end_with(parent, signal.SIGKILL)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, HEARD)
        sys.exit(its_work())
    return pid


def _panels() -> tuple[Celery, PanelProcess]:
    # Celery gives the tasks of an application to all others of a process: whoever has one of their own goes without this.
    from workers.app import app, process  # noqa: PLC0415

    return app, process


def main(program: str = "workers.run", load: Load = _panels) -> None:
    """Fork the processes that the arguments ask for, but for those that run, and become their keeper, which comes back to `program`."""
    signal.pthread_sigmask(signal.SIG_BLOCK, HEARD)
    parser = ArgumentParser(prog="python -m workers.run")
    parser.add_argument("--name", default="worker", help="what its processes are called")
    parser.add_argument("--deploys", type=_queues, default=(), help="queues of what people wait for")
    parser.add_argument("--schedule", type=_queues, default=(), help="queues of what is due by itself; the schedule is here, too")
    parser.add_argument("--running", nargs="*", default=[], help="what runs already, as name=pid; comes last")
    chosen = parser.parse_args()
    running = read(chosen.running)
    app, process = load()
    app.finalize()
    process.prepare()
    # The collector is to keep its hands off what is there before the fork, so that its pages stay shared.
    gc.collect()
    gc.freeze()
    named = {chosen.name: chosen.deploys, f"{chosen.name}-schedule": chosen.schedule}
    for name, queues in named.items():
        if queues and name not in running:
            running[name] = fork(partial(work, app, process, name, queues, has_schedule=queues is chosen.schedule))
    own = sys.argv[1 : sys.argv.index("--running")] if "--running" in sys.argv else sys.argv[1:]
    become("workers.keeper", [*marks(running), "--", program, *own])


def _queues(text: str) -> tuple[str, ...]:
    return tuple(text.split(","))


if __name__ == "__main__":
    main()
