"""Waking up the workers."""

from enum import StrEnum
from typing import Protocol


class Job(StrEnum):
    """What a worker can be woken for; the values are the names of queues."""

    BUILD = "builds"
    ROLLOUT = "rollouts"
    NODE = "nodes"


# The schedule has a queue of its own; whoever has that bills too.
PERIODIC = "periodic"
BILLING = "billing"
# What can be asked of a worker to work on.
QUEUES = (*(job.value for job in Job), PERIODIC)


class Queue(Protocol):
    async def wake(self, job: Job) -> None:
        """Tell a worker that there is work to claim. A lost wake-up is repeated by the schedule."""
        ...
