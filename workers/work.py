"""The main function of a worker process: it takes wake-ups from queues, and may run the schedule."""

import socket
from collections.abc import Sequence

# Everything that Celery's worker imports when it starts: after a fork, processes share these modules.
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

from workers.process import PanelProcess

# One for each job, so that none waits until another has ended. Threads mostly wait for the event loop, and the pool creates one only if no
# other is free.
THREADS = 18


def work(app: Celery, process: PanelProcess, name: str, queues: Sequence[str], *, has_schedule: bool) -> int:
    """Process wake-ups from some queues until a signal comes, and return the exit status."""
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
