"""The queue: wake-ups by Celery. Workers are addressed by task names, so senders need not import them."""

import asyncio
import logging
from typing import Any

from celery import Celery
from kombu.exceptions import OperationalError
from kombu.transport import redis

from skypanel.ports.queue import Job

SEND_S = 2.0
WAKE_UP_LIFE_S = 15.0
TASKS = {Job.BUILD: "build", Job.ROLLOUT: "rollout", Job.NODE: "node"}

# Options of senders and workers: they retry the broker forever and store no results.
OPTIONS = {
    "broker_connection_retry": True,
    "broker_connection_retry_on_startup": True,
    "broker_connection_max_retries": None,
    "task_ignore_result": True,
    "task_serializer": "json",
    "accept_content": ["json"],
    "worker_prefetch_multiplier": 1,
    "worker_send_task_events": False,
}
TRANSPORT = "skypanel.drivers.celery:WakeUps"
IMPATIENT = {"socket_timeout": SEND_S, "max_retries": 1, "interval_start": 0.1, "interval_max": 0.1}

log = logging.getLogger(__name__)


class Channel(redis.Channel):
    """Receives messages without recording them in Redis and restores none, because the schedule repeats lost ones.

    Kombu's own channel restores messages over the lost connection itself, and the error ends the worker.
    """

    ack_emulation = False
    do_restore = False


class WakeUps(redis.Transport):
    """The transport of a worker."""

    Channel = Channel
    can_parse_url = True


def receiving(broker_url: str) -> dict[str, object]:
    """Return a worker's options for `broker_url` (https://docs.celeryq.dev/en/stable/userguide/configuration.html)."""
    return {**OPTIONS, "broker_url": broker_url.removeprefix("redis+"), "broker_transport": TRANSPORT}


class CeleryQueue:
    """Sends wake-ups. They expire after some seconds, because the schedule repeats them for jobs that still wait."""

    def __init__(self, broker_url: str) -> None:
        self._app = Celery("skypanel", broker=broker_url, set_as_current=False)
        self._app.conf.update(OPTIONS, broker_transport_options=IMPATIENT)

    async def wake(self, job: Job) -> None:
        """Tell a worker that there is a job to claim. A failure is only logged, because the schedule repeats wake-ups."""
        try:
            async with asyncio.timeout(SEND_S):
                await asyncio.to_thread(self._send, TASKS[job], job.value)
        except (OperationalError, TimeoutError) as error:
            log.warning("the wake-up for %s was lost: %s", job.value, error)

    async def close(self) -> None:
        """Close the connections to the broker."""
        await asyncio.to_thread(self._app.close)

    def _send(self, name: str, queue: str) -> None:
        options: dict[str, Any] = {"queue": queue, "expires": WAKE_UP_LIFE_S, "retry": False, "ignore_result": True}
        self._app.send_task(name, **options)
