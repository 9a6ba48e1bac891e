"""Dynos as a Swarm's tasks, on two real nodes."""

import pytest

from tests.contract_scheduler import SchedulerContract
from tests.fakes import FakeObjects
from tests.swarm_fixture import nodes, running_engine

__all__ = ["nodes"]


@pytest.fixture
def objects():
    return FakeObjects()


@pytest.fixture
async def engine(nodes, objects, tmp_path):
    async with running_engine(nodes, objects, tmp_path) as made:
        yield made


@pytest.fixture
def scheduler(engine):
    return engine.scheduler


class TestSwarmScheduler(SchedulerContract):
    pass
