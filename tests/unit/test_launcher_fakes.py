import pytest

from tests.contracts.scheduler import SchedulerContract
from tests.fakes.objects import FakeObjects
from tests.support.panels import FakeScheduler


class TestFakeScheduler(SchedulerContract):
    @pytest.fixture
    def objects(self):
        return FakeObjects()

    @pytest.fixture
    def scheduler(self, objects):
        return FakeScheduler()
