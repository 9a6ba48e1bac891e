"""The queue of wake-ups for workers."""

from enum import StrEnum
from typing import Protocol


class Job(StrEnum):
    """The kinds of jobs that wake a worker; the values are the names of queues."""

    BUILD = "builds"
    ROLLOUT = "rollouts"
    NODE = "nodes"


# The schedule has its own queue; a worker that takes it bills as well.
PERIODIC = "periodic"
BILLING = "billing"
# The queues that a worker can be told to take.
QUEUES = (*(job.value for job in Job), PERIODIC)


class Queue(Protocol):
    async def wake(self, job: Job) -> None:
        """Wake a worker, because a job waits. The schedule repeats lost wake-ups."""
        ...
