"""The contract of the port Queue. A subclass provides the fixtures `queue`, and `waiting`, which counts the wake-ups of a job."""

import asyncio

import pytest

from skypanel.ports.queue import Job


class QueueContract:
    @pytest.mark.parametrize("job", list(Job))
    async def test_a_wake_up_is_for_its_job_alone(self, queue, waiting, job):
        await queue.wake(job)
        assert {each: waiting(each) for each in Job} == {each: int(each is job) for each in Job}

    async def test_many_wake_at_once(self, queue, waiting):
        await asyncio.gather(*(queue.wake(Job.BUILD) for _ in range(50)))
        assert waiting(Job.BUILD) == 50
