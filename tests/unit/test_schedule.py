import pytest

from skypanel.ports.queue import BILLING
from workers.jobs import JOBS
from workers.schedule import EVERY_S, OPTIONS
from workers.work import THREADS


def test_all_that_is_scheduled_is_a_job():
    assert EVERY_S.keys() <= JOBS.keys()
    assert {entry["task"] for entry in OPTIONS["beat_schedule"].values()} == EVERY_S.keys()


def test_no_job_waits_until_another_has_ended():
    assert len(JOBS) <= THREADS


def test_leftovers_go_by_themselves():
    assert "remove_orphans" in EVERY_S


def test_objects_are_moved_and_garbage_is_collected_by_itself():
    assert {"move_objects", "collect_garbage"} <= EVERY_S.keys()


@pytest.mark.req("R20.3")
def test_billing_has_a_queue_of_its_own():
    queues = {entry["task"]: entry["options"]["queue"] for entry in OPTIONS["beat_schedule"].values()}
    assert queues.pop("bill") == BILLING
    assert set(queues.values()) == {"periodic"}
