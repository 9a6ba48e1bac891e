"""What a process of a worker does: it takes wake-ups from some queues, and may hold the schedule."""

import socket
from collections.abc import Sequence

# All that a worker would import by itself as it starts: processes that are forked after that have it in common.
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

# Jobs wait for others most of the time; a thread is made when none is free.
THREADS = 8


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
