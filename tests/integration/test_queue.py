import json
import time

import pytest
from redis import Redis

from skypanel.drivers.celery import CeleryQueue
from skypanel.ports.queue import Job
from tests.contracts.queue import QueueContract

# The driver gives up after two seconds; without that, a wake-up would wait for minutes.
BOUND_S = 20


@pytest.fixture
async def queue(valkey):
    queue = CeleryQueue(valkey.broker_url)
    yield queue
    await queue.close()


def messages(valkey, name):
    with Redis.from_url(valkey.url) as client:
        return [json.loads(message) for message in client.lrange(name, 0, -1)]


class TestCeleryQueue(QueueContract):
    @pytest.fixture
    def waiting(self, valkey):
        return lambda job: len(messages(valkey, job))


async def test_a_wake_up_names_its_job_and_carries_nothing(queue, valkey):
    await queue.wake(Job.BUILD)
    await queue.wake(Job.ROLLOUT)
    [build], [rollout] = messages(valkey, "builds"), messages(valkey, "rollouts")
    assert build["headers"]["task"] == "build"
    assert rollout["headers"]["task"] == "rollout"
    assert build["headers"]["expires"]
    assert build["headers"]["argsrepr"] == "()"


async def test_a_broker_that_is_down_costs_little_and_is_used_again_when_it_is_back(queue, valkey, caplog):
    await queue.wake(Job.BUILD)
    valkey.stop()
    before = time.monotonic()
    await queue.wake(Job.BUILD)
    assert time.monotonic() - before < BOUND_S
    assert "the wake-up for builds was lost" in caplog.text
    valkey.start()
    await queue.wake(Job.BUILD)
    assert len(messages(valkey, "builds")) == 1


async def test_a_broker_that_hangs_costs_little(queue, valkey, caplog):
    await queue.wake(Job.BUILD)
    with valkey.hung():
        before = time.monotonic()
        await queue.wake(Job.ROLLOUT)
        assert time.monotonic() - before < BOUND_S
    assert "the wake-up for rollouts was lost" in caplog.text
