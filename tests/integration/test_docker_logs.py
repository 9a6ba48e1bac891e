"""The logs of a real Swarm's tasks."""

import time
from uuid import uuid4

import pytest

from skypanel.drivers.clock import SystemClock
from skypanel.drivers.docker_api import DockerApi
from skypanel.drivers.docker_logs import DockerLogs, read_lines
from skypanel.drivers.log_files import FileLogs
from skypanel.drivers.swarm_spec import service_labels
from tests.contract_logs import APP, LogsContract
from tests.docker_fixture import swarm
from tests.launcher_fixture import make_manifest
from tests.small_image import small_image

__all__ = ["swarm"]

WITHIN_S = 20
QUANTITIES = {"web": 2, "web-admin": 1, "worker": 1}
# Prints each line that is added to a file.
REPEAT = ["sh", "-c", "touch /said; exec tail -n +1 -F /said"]


@pytest.fixture
def panel():
    return uuid4().hex[:8]


@pytest.fixture
async def logs(swarm, panel, tmp_path):
    api = DockerApi(swarm.url)
    yield DockerLogs(api, panel, FileLogs(tmp_path, SystemClock()))
    await api.close()


class Speakers:
    """Tasks that are dynos by their labels, one of each process type but for two of web."""

    def __init__(self, swarm, panel):
        self.client = swarm.client.api
        self.containers = swarm.client.containers
        manifest = make_manifest(APP, "d" * 64, {})
        image = small_image(swarm.client)
        self.services = {}
        for name, quantity in QUANTITIES.items():
            labels = service_labels(panel, manifest, name)
            template = {
                "ContainerSpec": {"Image": image, "Command": REPEAT, "Labels": labels, "StopGracePeriod": 1},
                "Resources": {"Limits": {"MemoryBytes": 64 * 1024**2}},
            }
            made = self.client.create_service(
                template,
                name=f"{panel}-{name}",
                labels=labels,
                mode={"Replicated": {"Replicas": quantity}},
                endpoint_spec={"Mode": "dnsrr"},
            )
            self.services[name] = made["ID"]
        for name, quantity in QUANTITIES.items():
            for slot in range(1, quantity + 1):
                self.wait(lambda name=name, slot=slot: self.running(name, slot))

    def running(self, name, slot):
        tasks = self.client.tasks({"service": self.services[name]})
        return next((task for task in tasks if task["Slot"] == slot and task["Status"]["State"] == "running"), None)

    def wait(self, condition):
        deadline = time.monotonic() + WITHIN_S
        while not (found := condition()):
            assert time.monotonic() < deadline
            time.sleep(0.02)
        return found

    def say(self, name, *lines):
        process_type, _, slot = name.rpartition(".")
        task = self.running(process_type, int(slot))
        container = self.containers.get(task["Status"]["ContainerStatus"]["ContainerID"])
        before = self.count(process_type)
        done = container.exec_run(["sh", "-c", 'printf "%s\\n" "$@" >>/said', "sh", *lines])
        assert done.exit_code == 0, done.output
        self.wait(lambda: self.count(process_type) == before + len(lines))

    def count(self, process_type):
        return b"".join(self.client.service_logs(self.services[process_type], stdout=True, is_tty=False)).count(b"\n")

    def remove(self):
        for service in self.services.values():
            self.client.remove_service(service)


class TestDockerLogs(LogsContract):
    @pytest.fixture
    def say(self, swarm, panel):
        speakers = Speakers(swarm, panel)
        yield speakers.say
        speakers.remove()


def test_the_lines_around_an_app_are_the_platforms():
    details = "com.docker.swarm.node.id=n,com.docker.swarm.service.id=s,com.docker.swarm.task.id=abc"
    written = [
        f"2024-01-01T00:00:0{number}.5Z {details} {text}" for number, text in enumerate(["hello", "[skypanel] Checks the health", ""])
    ]
    written += [f"2024-01-01T00:00:03.5Z {details.replace('abc', 'other')} not ours", "torn"]
    assert [str(line) for line in read_lines(written, {"abc": "web.1"})] == [
        "2024-01-01T00:00:00.500000+00:00 app[web.1]: hello",
        "2024-01-01T00:00:01.500000+00:00 skypanel[web.1]: Checks the health",
        "2024-01-01T00:00:02.500000+00:00 app[web.1]: ",
    ]
