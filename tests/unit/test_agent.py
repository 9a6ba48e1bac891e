"""The parts of the agent that need no daemon; tests/integration/test_agent_docker.py has the rest."""

import json

import pytest

from skypanel.drivers.swarm import spec as swarm_spec
from workers.agent import dynos, printed
from workers.agent.collector import Line, encoded
from workers.agent.dynos import Dyno, dyno_of
from workers.agent.positions import Positions


def test_the_labels_are_the_engines():
    assert (dynos.PANEL, dynos.APP, dynos.PROCESS_TYPE) == (swarm_spec.PANEL, swarm_spec.APP, swarm_spec.PROCESS_TYPE)


@pytest.mark.parametrize(
    ("labels", "name"),
    [
        ({}, None),
        ({dynos.APP: "a"}, None),
        ({dynos.APP: "a", dynos.PROCESS_TYPE: "web"}, None),
        ({dynos.PROCESS_TYPE: "web", dynos.TASK: "service.2.id"}, None),
        ({dynos.APP: "a", dynos.PROCESS_TYPE: "web", dynos.TASK: "service.2.id"}, "web.2"),
        ({dynos.APP: "a", dynos.PROCESS_TYPE: "run", dynos.INDEX: "7"}, "run.7"),
    ],
)
def test_a_dyno_is_known_by_its_labels(labels, name):
    assert dyno_of("c", labels) == (Dyno("c", "a", name, "service.2" if dynos.TASK in labels else "") if name else None)


def test_docker_is_asked_for_what_came_after_a_time():
    assert printed.since("") == "0"
    assert printed.since("1970-01-01T00:00:01.000000001Z") == "1.000000002"
    assert printed.since("2024-01-01T00:00:00.999999999Z") == "1704067201.000000000"


class Body:
    """What has come of a response."""

    def __init__(self, body):
        self.body = body

    def read(self, size):
        part, self.body = self.body[:size], self.body[size:]
        return part


def frame(body, stream=1):
    return bytes([stream, 0, 0, 0]) + len(body).to_bytes(4, "big") + body


def test_a_frame_is_a_line():
    whole = frame(b"2024-01-01T00:00:00.000000001Z hello\n") + frame(b"2024-01-01T00:00:00.000000002Z  a \xff part", 2)
    for torn in (b"", b"\x01\0\0", frame(b"2024-01-01T00:00:00.000000003Z torn")[:-1]):
        found = [printed.read(body) for body in printed.frames(Body(whole + torn))]
        assert [line.text for line in found] == ["hello", " a \ufffd part"]
        assert [line.time[-4:] for line in found] == ["001Z", "002Z"]


def test_lines_are_told_as_json_of_a_bounded_size():
    line = Line(Dyno("c", "a", "web.1"), printed.read(b"2024-01-01T00:00:00.000000001Z " + b"\x01" * 16384))
    body = encoded([line], again=True)
    assert len(body) < 100 * 1024
    assert json.loads(body)["lines"][0]["dyno"] == "web.1"


def test_positions_outlive_the_agent(tmp_path):
    file = tmp_path / "logs.json"
    positions = Positions(file)
    assert (positions.at("one"), positions.has_ended("one")) == ("", False)
    positions.deliver({"one": "1", "two": "2"}, ["two"])
    again = Positions(file)
    assert (again.at("one"), again.at("two"), again.has_ended("one"), again.has_ended("two")) == ("1", "2", False, True)
    again.keep(["one"])
    again.deliver({}, [])
    assert json.loads(file.read_text()) == {"at": {"one": "1"}, "ended": []}


@pytest.mark.parametrize("content", ["", "{", "[]", "{}", '{"at": 1, "ended": []}', '{"at": {}, "ended": 3}'])
def test_positions_that_cannot_be_read_are_none(tmp_path, content):
    file = tmp_path / "logs.json"
    file.write_text(content)
    positions = Positions(file)
    positions.deliver({"one": "1"}, [])
    assert Positions(file).at("one") == "1"
