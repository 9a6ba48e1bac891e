"""The logs of a real Swarm's tasks."""

import time
from contextlib import suppress
from dataclasses import replace
from uuid import uuid4

import pytest
from docker.errors import NotFound

from skypanel.domain.log import moment, printed
from skypanel.drivers.clock import SystemClock
from skypanel.drivers.docker.api import DockerApi
from skypanel.drivers.logs.files import FileLogs
from skypanel.drivers.swarm.logs import DockerLogs, Early, read_frames
from skypanel.drivers.swarm.spec import service_labels
from tests.contracts.logs import APP, LogsContract, read, texts
from tests.fixtures.launcher import make_manifest
from tests.support.collector_under_test import collecting
from tests.support.small_image import small_image
from tests.support.until import until
from workers.collector import POSITIONS

WITHIN_S = 60
QUANTITIES = {"web": 2, "web-admin": 1, "worker": 1}
# Prints each line that is added to a file.
REPEAT = ["sh", "-c", "touch /said; exec tail -n +1 -F /said"]


@pytest.fixture
def panel():
    return uuid4().hex[:8]


@pytest.fixture
async def logs(swarm, panel, tmp_path):
    """The logs of a panel, whose collector runs."""
    api = DockerApi(swarm.url)
    with collecting(swarm.url, panel, tmp_path / "logs"):
        yield DockerLogs(api, panel, FileLogs(tmp_path / "logs", SystemClock()))
    await api.close()


class Speakers:
    """Tasks that are dynos by their labels, one of each process type but for two of web."""

    def __init__(self, swarm, panel):
        self.panel = panel
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
        try:
            tasks = self.client.tasks({"service": self.services[name]})
        except NotFound:
            return None
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
            with suppress(NotFound):
                self.client.remove_service(service)


@pytest.fixture
def speakers(swarm, panel):
    made = Speakers(swarm, panel)
    yield made
    made.remove()


@pytest.fixture
def say(speakers):
    return speakers.say


class TestDockerLogs(LogsContract):
    """What is collected is shown once, whether it is in the files or with Docker."""


async def test_what_is_not_collected_yet_is_shown(swarm, panel, speakers, tmp_path):
    api = DockerApi(swarm.url)
    logs = DockerLogs(api, panel, FileLogs(tmp_path / "logs", SystemClock()))
    speakers.say("web.1", "one", "two")
    assert texts(await read(logs)) == ["one", "two"]
    with collecting(swarm.url, panel, tmp_path / "logs"):
        await until(lambda: collected(tmp_path, "web.1") == ["one", "two"])
        assert texts(await read(logs)) == ["one", "two"]
    speakers.say("web.1", "three")
    assert texts(await read(logs, limit=2)) == ["two", "three"]
    assert collected(tmp_path, "web.1") == ["one", "two"]
    await api.close()


async def test_a_line_is_collected_once_through_sudden_ends(swarm, panel, speakers, tmp_path):
    expected: list[str] = []

    def is_collected():
        return expected[-1] in collected(tmp_path, "web.1")

    for number in range(4):
        with collecting(swarm.url, panel, tmp_path / "logs"):
            expected += [f"{number}.{line}" for line in range(50)]
            speakers.say("web.1", *expected[-50:])
            if number % 2:
                await until(is_collected)
    (tmp_path / "logs" / POSITIONS).unlink()
    with collecting(swarm.url, panel, tmp_path / "logs"):
        speakers.say("web.1", "last")
        await until(lambda: "last" in collected(tmp_path, "web.1"))
    assert collected(tmp_path, "web.1") == [*expected, "last"]


async def test_what_cannot_be_written_waits(swarm, panel, speakers, tmp_path):
    (tmp_path / "logs").mkdir()
    in_the_way = tmp_path / "logs" / str(APP.id)
    in_the_way.touch()
    with collecting(swarm.url, panel, tmp_path / "logs"):
        expected = [f"line {number}" for number in range(2000)]
        speakers.say("web.1", *expected)
        in_the_way.unlink()
        await until(lambda: "line 1999" in collected(tmp_path, "web.1"))
    assert collected(tmp_path, "web.1") == expected


async def test_what_is_gone_can_still_be_read(swarm, panel, speakers, logs, tmp_path):
    speakers.say("worker.1", "I was here")
    await until(lambda: collected(tmp_path, "worker.1"))
    speakers.remove()
    await until(lambda: not speakers.running("worker", 1))
    assert texts(await read(logs)) == ["I was here"]
    await logs.forget(APP.id)
    assert await read(logs) == []


async def test_another_panels_dynos_are_left_alone(swarm, speakers, tmp_path):
    with collecting(swarm.url, "another", tmp_path / "other"), collecting(swarm.url, speakers.panel, tmp_path / "logs"):
        speakers.say("web.1", "mine")
        await until(lambda: collected(tmp_path, "web.1"))
        assert not (tmp_path / "other" / str(APP.id)).exists()


def collected(folder, dyno):
    """Return the lines in a dyno's file."""
    file = folder / "logs" / str(APP.id) / f"{dyno}.log"
    return texts(file.read_text().splitlines()) if file.exists() else []


def frame(second, task, text):
    details = f"com.docker.swarm.node.id=n,com.docker.swarm.service.id=s,com.docker.swarm.task.id={task}"
    return f"2024-01-01T00:00:0{second}.500000001Z {details} {text}".encode()


def test_the_lines_around_an_app_are_the_platforms():
    frames = [frame(0, "abc", "hello\n"), frame(1, "abc", "[skypanel] Checks the health\n"), frame(2, "abc", "\n")]
    frames += [frame(3, "other", "not ours\n"), b"torn", frame(4, "abc", "10 %\r20 %\n"), frame(5, "abc", "a piece of a long line")]
    assert [str(line) for line in read_frames(frames, {"abc": "web.1"})] == [
        "2024-01-01T00:00:00.500000+00:00 app[web.1]: hello",
        "2024-01-01T00:00:01.500000+00:00 skypanel[web.1]: Checks the health",
        "2024-01-01T00:00:02.500000+00:00 app[web.1]: ",
        "2024-01-01T00:00:04.500000+00:00 app[web.1]: 20 %",
        "2024-01-01T00:00:05.500000+00:00 app[web.1]: a piece of a long line",
    ]


def test_docker_gives_what_the_files_do_not_have_yet():
    at_docker = [line for second in range(6) for line in printed("web.1", moment(f"2024-01-01T00:00:0{second}Z"), "the same")]
    texts = [str(line) for line in at_docker]
    assert Early({}, at_docker, 3).lines == at_docker
    assert Early({"web.1": texts[:4]}, at_docker, 5).lines == at_docker[4:]
    assert Early({"web.1": texts[2:4], "worker.1": []}, at_docker, 2).lines == at_docker[4:], "older ones are further up in the file"
    twice = [at_docker[0], at_docker[0]]
    assert Early({"web.1": texts[:1]}, twice, 5).lines == at_docker[:1], "two of the same are two"


def test_what_docker_gave_is_not_shown_once_more_when_it_is_collected():
    lines = [line for second in range(6) for line in printed("web.1", moment(f"2024-01-01T00:00:0{second}Z"), "the same")]
    early = Early({}, lines[3:5], 2)
    assert [early.has(line) for line in [*lines, lines[4]]] == [True, True, True, True, True, False, False]
    assert not early.has(replace(lines[0], dyno="web.2"))
