"""The processes of a worker: `python -m workers.run --deploys builds,rollouts,nodes --schedule periodic,billing`.

One works on deploys, the other on what the schedule asks for, so that nothing periodic takes a deploy's place or slows it down.
Both are forked off here once all is imported: what they have in common is in memory once.
"""

import gc
import os
import signal
import socket
import sys
import time
from argparse import ArgumentParser
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from importlib import import_module

# All that a worker would import by itself as it starts.
import celery.app.amqp
import celery.app.control
import celery.app.events
import celery.app.log
import celery.apps.worker
import celery.beat
import celery.concurrency.thread
import celery.worker.autoscale
import celery.worker.consumer.delayed_delivery
import celery.worker.strategy
from celery import Celery

from workers.process import PanelProcess, end_with

# Jobs wait for others most of the time; a thread is made when none is free.
THREADS = 8
# Between the end of a process that was not asked to end and the start of its successor.
PAUSE_S = 1.0
STOPS = (signal.SIGTERM, signal.SIGINT)

Work = Callable[[], int]


def work(app: Celery, process: PanelProcess, name: str, queues: Sequence[str], *, has_schedule: bool) -> int:
    """Take wake-ups from some queues until a signal comes, and return the status to end with."""
    with process.opened():
        worker = app.Worker(
            hostname=f"{name}@{socket.gethostname()}",
            queues=list(queues),
            pool_cls="threads",
            concurrency=THREADS,
            loglevel="INFO",
            without_gossip=True,
            without_mingle=True,
        )
        if has_schedule:
            celery.beat.EmbeddedService(app, thread=True, scheduler_cls=app.conf.beat_scheduler).start()
        worker.start()
    return int(worker.exitcode or 0)


class Family:
    """Processes by name, each of which is forked anew when it ends unasked."""

    def __init__(self, works: Mapping[str, Work]) -> None:
        self._works = works
        self._running: dict[int, str] = {}
        self._is_ending = False

    def run(self) -> None:
        """Run until a signal comes, pass it on, and return once all have ended."""
        for number in STOPS:
            signal.signal(number, self._end)
        for name in self._works:
            self._start(name)
        while self._running:
            pid, _ = os.wait()
            name = self._running.pop(pid)
            if not self._is_ending:
                time.sleep(PAUSE_S)
                self._start(name)

    def _start(self, name: str) -> None:
        # A signal that comes in between waits until both know what to do about it.
        signal.pthread_sigmask(signal.SIG_BLOCK, STOPS)
        parent = os.getpid()
        if not self._is_ending:
            pid = os.fork()
            if not pid:
                self._be(self._works[name], parent)
            self._running[pid] = name
        signal.pthread_sigmask(signal.SIG_UNBLOCK, STOPS)

    def _be(self, its_work: Work, parent: int) -> None:
        end_with(parent)
        for number in STOPS:
            signal.signal(number, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, STOPS)
        sys.exit(its_work())

    def _end(self, number: int, _frame: object) -> None:
        self._is_ending = True
        for pid in self._running:
            os.kill(pid, number)


def main() -> None:
    """Run the processes that the arguments ask for."""
    parser = ArgumentParser(prog="python -m workers.run")
    parser.add_argument("--app", default="workers.app", help="the module that has the Celery application and its process")
    parser.add_argument("--name", default="worker", help="what its processes are called")
    parser.add_argument("--deploys", type=_queues, default=(), help="queues of what people wait for")
    parser.add_argument("--schedule", type=_queues, default=(), help="queues of what is due by itself; the schedule is here, too")
    chosen = parser.parse_args()
    module = import_module(chosen.app)
    works: dict[str, Work] = {}
    if chosen.deploys:
        works[chosen.name] = partial(work, module.app, module.process, chosen.name, chosen.deploys, has_schedule=False)
    if chosen.schedule:
        name = f"{chosen.name}-schedule"
        works[name] = partial(work, module.app, module.process, name, chosen.schedule, has_schedule=True)
    module.app.finalize()
    module.process.prepare()
    # The collector is to keep its hands off what is there before the fork, so that its pages stay shared.
    gc.collect()
    gc.freeze()
    Family(works).run()


def _queues(text: str) -> tuple[str, ...]:
    return tuple(text.split(","))


if __name__ == "__main__":
    main()
