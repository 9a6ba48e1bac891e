import pytest

from skypanel.domain.limits import BUILD_LIMITS
from tests.contract_cipher import CipherContract
from tests.contract_clock import ClockContract
from tests.contract_logs import APP, LogsContract
from tests.contract_objects import ObjectsContract
from tests.contract_output import OutputContract
from tests.contract_queue import QueueContract
from tests.contract_router import RouterContract
from tests.contract_workspace import SCRIPTS, WorkspaceContract
from tests.fakes import FakeCipher, FakeClock, FakeLogs, FakeObjects, FakeOutput, FakeQueue, FakeRouter
from tests.panels import FakeBuilder


class TestFakeObjects(ObjectsContract):
    @pytest.fixture
    def objects(self):
        return FakeObjects()


class TestFakeOutput(OutputContract):
    @pytest.fixture
    def output(self):
        return FakeOutput()


class TestFakeClock(ClockContract):
    @pytest.fixture
    def clock(self):
        return FakeClock()


class TestFakeQueue(QueueContract):
    @pytest.fixture
    def queue(self):
        return FakeQueue()

    @pytest.fixture
    def waiting(self, queue):
        return lambda job: queue.woken[job]


class TestFakeRouter(RouterContract):
    @pytest.fixture
    def router(self):
        return FakeRouter()

    @pytest.fixture
    def publish(self):
        """Routes are in force at once, published or not."""
        return lambda *routes: None

    @pytest.fixture
    def router_without_proxy(self):
        return FakeRouter(broken=True)


class TestFakeCipher(CipherContract):
    @pytest.fixture
    def ring(self):
        return FakeRing()


class FakeRing:
    def __init__(self):
        self.cipher = FakeCipher()

    def add_key(self):
        self.cipher.keys.insert(0, self.cipher.keys[0] + 1)

    def retire_keys(self):
        del self.cipher.keys[2:]


class TestFakeLogs(LogsContract):
    @pytest.fixture
    def logs(self):
        return FakeLogs()

    @pytest.fixture
    def say(self, logs):
        def say(dyno, *texts):
            for text in texts:
                logs.add(APP, dyno, text)

        return say


class TestFakeBuilder(WorkspaceContract):
    @pytest.fixture
    async def workspace(self):
        builder = FakeBuilder()
        for script, code, out in SCRIPTS.values():
            builder.answer(script, code=code, out=out)
        async with builder.workspace(None, BUILD_LIMITS) as made:
            yield made
