"""Wake-ups by Celery. The worker is known by names alone, so that any process can send without importing it."""

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

# What senders and workers have in common: the broker is never given up, and no results are kept.
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
    """Takes messages without a note of them in Redis, and puts none back: the schedule repeats what was lost.

    Kombu's own puts them back over the connection whose loss it is told of, and that ends the worker.
    """

    ack_emulation = False
    do_restore = False


class WakeUps(redis.Transport):
    """What a worker receives wake-ups by."""

    Channel = Channel
    can_parse_url = True


def receiving(broker_url: str) -> dict[str, object]:
    """Return the options of a worker that takes wake-ups from `broker_url` (https://docs.celeryq.dev/en/stable/userguide/configuration.html)."""
    return {**OPTIONS, "broker_url": broker_url.removeprefix("redis+"), "broker_transport": TRANSPORT}


class CeleryQueue:
    """Sends wake-ups. They live for some seconds only, as the schedule repeats them for whatever still waits."""

    def __init__(self, broker_url: str) -> None:
        self._app = Celery("skypanel", broker=broker_url, set_as_current=False)
        self._app.conf.update(OPTIONS, broker_transport_options=IMPATIENT)

    async def wake(self, job: Job) -> None:
        """Tell a worker that there is work to claim."""
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
