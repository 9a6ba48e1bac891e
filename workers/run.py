"""The processes of a standalone worker: `python -m workers.run --deploys builds,rollouts,nodes --schedule periodic,billing`.

One processes deploys, the other scheduled jobs, so that no periodic job delays a deploy. Both are forked here after all imports, so that
they share that memory. This process then becomes their keeper.
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
# Returns the application and the process that runs its jobs.
Load = Callable[[], tuple[Celery, PanelProcess]]


def fork(its_work: Work) -> int:
    """Run `its_work` in a child process, and return the child's id."""
    parent = os.getpid()
    pid = os.fork()
    if not pid:
        end_with(parent, signal.SIGKILL)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, HEARD)
        sys.exit(its_work())
    return pid


def _panels() -> tuple[Celery, PanelProcess]:
    # Celery adds the tasks of one application to all others in the process, so callers with their own must not import this one.
    from workers.app import app, process  # noqa: PLC0415

    return app, process


def main(program: str = "workers.run", load: Load = _panels) -> None:
    """Fork the processes in the arguments that are not running yet, then become their keeper, which restarts `program`."""
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
    # The garbage collector must not write to objects from before the fork, so that their pages stay shared (copy-on-write).
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
