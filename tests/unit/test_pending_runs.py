from uuid import uuid4

import pytest

from skypanel.domain.errors import Conflict
from skypanel.domain.manifest import OneOff
from web.pending_runs import MAX_WAITING, MAX_WAITING_OF_ONE, WAIT_S, PendingRun, PendingRuns


def meeting(token_id=None):
    return PendingRun(token_id or uuid4(), uuid4(), OneOff(1234, "true"), None)


@pytest.fixture
def clock():
    return [0.0]


@pytest.fixture
def meetings(clock):
    return PendingRuns(lambda: clock[0])


def test_who_says_the_secret_has_the_meeting_once(meetings):
    arranged = meeting()
    said = meetings.arrange(arranged).encode()
    for wrong in (b"", b".", said[:-1], said + b"x", said.swapcase(), said.partition(b".")[0], b"\xff" + said, said.replace(b".", b".x")):
        assert meetings.take(wrong) is None, wrong
    assert meetings.take(said) is arranged
    assert meetings.take(said) is None


def test_nobody_is_waited_for_longer_than_a_minute(meetings, clock):
    said = meetings.arrange(meeting()).encode()
    clock[0] = WAIT_S + 1
    assert meetings.take(said) is None


def test_only_so_many_wait_at_once(meetings, clock):
    token_id = uuid4()
    for _ in range(MAX_WAITING_OF_ONE):
        meetings.arrange(meeting(token_id))
    with pytest.raises(Conflict, match="Too many"):
        meetings.arrange(meeting(token_id))
    for _ in range(MAX_WAITING - MAX_WAITING_OF_ONE):
        meetings.arrange(meeting())
    with pytest.raises(Conflict, match="Too many"):
        meetings.arrange(meeting())
    clock[0] = WAIT_S + 1
    meetings.arrange(meeting(token_id))


def test_no_secret_is_shown(meetings):
    said = meetings.arrange(meeting())
    assert said.partition(".")[2] not in repr(vars(meetings))
