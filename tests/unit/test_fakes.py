import pytest

from tests.contract_objects import ObjectsContract
from tests.contract_output import OutputContract
from tests.fakes import FakeObjects, FakeOutput


class TestFakeObjects(ObjectsContract):
    @pytest.fixture
    def objects(self):
        return FakeObjects()


class TestFakeOutput(OutputContract):
    @pytest.fixture
    def output(self):
        return FakeOutput()
