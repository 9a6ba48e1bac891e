import pytest

from tests.contract_scheduler import SchedulerContract
from tests.fakes import FakeObjects
from tests.panels import FakeScheduler


class TestFakeScheduler(SchedulerContract):
    @pytest.fixture
    def objects(self):
        return FakeObjects()

    @pytest.fixture
    def scheduler(self, objects):
        return FakeScheduler()
