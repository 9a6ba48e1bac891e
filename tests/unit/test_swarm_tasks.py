"""Tasks read as dynos, and when a manifest's are ready."""

from datetime import UTC, datetime, timedelta
from itertools import count

import pytest

from skypanel.domain.limits import MIB
from skypanel.domain.manifest import DynoState
from skypanel.drivers.swarm.readiness import PATIENCE_S, STEADY_S, Readiness, where
from skypanel.drivers.swarm.spec import service_labels
from skypanel.drivers.swarm.tasks import BIND, moment, read, reason, slots
from skypanel.ports.scheduler import Unready
from tests.unit.test_swarm_spec import MANIFEST

numbers = count(1)
MIDNIGHT = datetime(2024, 1, 1, tzinfo=UTC)


def task(slot=1, state="running", desired="running", process_type="web", **changes):
    """A task as Docker lists it; each is newer than those before it."""
    number = next(numbers)
    at = (MIDNIGHT + timedelta(seconds=number)).strftime("%Y-%m-%dT%H:%M:%S.123456789Z")
    status = {"Timestamp": at, "State": state, "Err": changes.pop("error", "")}
    if "exit_code" in changes:
        status["ContainerStatus"] = {"ContainerID": "c", "ExitCode": changes.pop("exit_code")}
    return {
        "ID": f"task{number}",
        "ServiceID": f"service-{process_type}",
        "Slot": slot,
        "NodeID": "node1",
        "CreatedAt": at,
        "DesiredState": desired,
        "Status": status,
        "Spec": {
            "ContainerSpec": {"Labels": service_labels("panel", MANIFEST, process_type)},
            "Resources": {"Limits": {"MemoryBytes": 256 * MIB}},
        },
        "NetworksAttachments": [{"Addresses": [f"10.0.1.{number}/24"]}],
        **changes,
    }


def dynos(*found):
    return [slot.dyno for slot in slots(read(found))]


def test_a_running_task_is_a_dyno_that_is_up():
    (dyno,) = dynos(task(2, NetworksAttachments=[{"Addresses": ["10.0.1.9/24"]}]), task(1, desired="shutdown", state="shutdown"))
    assert (dyno.state, dyno.endpoint, dyno.restarts) == (DynoState.UP, "10.0.1.9:5000", 0)


def test_tasks_of_others_are_none_of_ours():
    assert dynos(task(Spec={"ContainerSpec": {"Labels": {"com.example": "x"}}}), task(Spec={})) == []


@pytest.mark.parametrize("state", ["new", "pending", "assigned", "accepted", "preparing", "starting"])
def test_a_task_before_it_runs_is_a_dyno_that_starts(state):
    assert [dyno.state for dyno in dynos(task(state=state))] == [DynoState.STARTING]


def test_a_dyno_between_two_tasks_has_crashed():
    ended = task(state="failed", desired="shutdown", exit_code=3, error="task: non-zero exit (3)")
    (dyno,) = dynos(ended, task(state="ready", desired="ready"))
    assert (dyno.state, dyno.restarts, dyno.reason) == (DynoState.CRASHED, 1, "exited with status 3")


def test_what_is_told_to_stop_is_stopping_until_it_is_dead():
    found = dynos(task(1, desired="shutdown"), task(1))
    assert sorted(dyno.state for dyno in found) == [DynoState.STOPPING, DynoState.UP]
    assert dynos(task(desired="remove", state="shutdown")) == []


def test_the_slots_that_swarm_leaves_are_numbered_anew():
    found = dynos(task(2), task(5), task(1, desired="shutdown", state="shutdown"))
    assert [dyno.key.name for dyno in found] == ["web.1", "web.2"]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"state": "failed", "exit_code": 137}, "was stopped: it used more than 256 MiB of memory"),
        ({"state": "failed", "exit_code": 250}, "was stopped: it wrote more than 2048 MiB to disk"),
        ({"state": "complete", "exit_code": 0}, "exited with status 0"),
        ({"state": "rejected", "error": "No such image: sha256:abc"}, "did not start: its slug is not on the node that was to run it"),
        ({"state": "failed", "exit_code": 137, "error": "task: non-zero exit (137): dockerexec: unhealthy container"},
         "was stopped: its health checks failed"),
        ({"state": "failed", "exit_code": 252}, f"listens on an address that the proxy cannot reach. {BIND}"),
        ({"state": "orphaned"}, "did not start: its node is gone"),
    ],
)  # fmt: skip
def test_the_end_of_a_task_in_words(changes, words):
    (ended,) = read([task(**changes)])
    assert reason(ended) == words


def test_times_to_the_nanosecond_are_read():
    assert moment("2024-01-01T00:00:00.123456789Z") == MIDNIGHT + timedelta(microseconds=123456)
    assert moment("2024-01-01T00:00:00.1Z") == MIDNIGHT + timedelta(milliseconds=100)
    assert moment("2024-01-01T00:00:00Z") == MIDNIGHT


class Watched:
    """A manifest of two web dynos and a worker that is waited for, with a clock set by hand."""

    def __init__(self):
        self.time = 0.0
        self.readiness = Readiness(MANIFEST, lambda: self.time)

    def look(self, *found):
        return self.readiness.look(slots(read(found)))


@pytest.fixture
def watched():
    return Watched()


def test_web_dynos_are_ready_once_they_run_and_others_once_they_stay(watched):
    web, worker = [task(1), task(2)], task(process_type="worker")
    assert not watched.look(*web)
    assert not watched.look(*web, worker)
    watched.time += STEADY_S
    assert watched.look(*web, worker)
    assert [dyno.key for dyno in watched.readiness.dynos()] == list(MANIFEST.dynos())


def test_a_service_that_is_to_shrink_is_not_ready_before_it_has(watched):
    found = [task(1), task(2), task(3), task(process_type="worker")]
    watched.look(*found)
    watched.time += STEADY_S
    assert not watched.look(*found)


def test_a_crash_is_told_even_if_it_starts_again_at_once(watched):
    watched.look(task(1, state="starting"))
    with pytest.raises(Unready, match=r"web\.1: exited with status 1 before it listened on \$PORT\."):
        watched.look(task(1, state="failed", desired="shutdown", exit_code=1), task(1, state="starting"))


def test_a_crash_of_long_ago_is_not(watched):
    found = [task(1, state="failed", desired="shutdown", exit_code=1), task(1), task(2), task(process_type="worker")]
    watched.look(*found)
    watched.time += STEADY_S
    assert watched.look(*found)


def test_what_was_told_to_stop_has_not_crashed(watched):
    watched.look(task(1, desired="shutdown"), task(1, state="starting"), task(2), task(process_type="worker"))
    found = [task(1, desired="shutdown", state="shutdown"), task(1), task(2), task(process_type="worker")]
    watched.look(*found)
    watched.time += STEADY_S
    assert watched.look(*found)
    assert [dyno.restarts for dyno in dynos(*found)] == [0, 0, 0]


def test_want_of_room_is_told_after_a_while(watched):
    stuck = task(1, state="pending", error="no suitable node (insufficient resources on 1 node)")
    watched.look(stuck)
    watched.time += PATIENCE_S
    with pytest.raises(Unready, match="cannot be placed on any node: no suitable node"):
        watched.look(stuck)


def test_who_is_late_is_told_what_it_did_not_do(watched):
    assert str(watched.readiness.late(60)) == "web.1: did not start within 60 s."
    watched.look(task(1), task(2, state="starting"))
    assert str(watched.readiness.late(60)).startswith("web.2: did not answer on $PORT within 60 s.")
    watched.look(task(1), task(2), task(process_type="worker", state="pending", error="no suitable node"))
    assert str(watched.readiness.late(60)) == "worker.1: did not start within 60 s: no suitable node."


def test_where_a_dyno_listens_is_what_was_said_of_it_last():
    said = [
        "2024-01-01T00:00:00.000000+00:00 app[web.1]: Listens on 1.2.3.4:80",
        "2024-01-01T00:00:00.000000+00:00 skypanel[web.1]: Listens on 127.0.0.1:1, where",
        "2024-01-01T00:00:00.000000+00:00 skypanel[web.1]: Listens on 127.0.0.1:2, where",
        "2024-01-01T00:00:00.000000+00:00 skypanel[web.1]: Did not become healthy",
    ]
    assert where(said) == "listens on 127.0.0.1:2, where"
    assert where(said[:1]) is None
