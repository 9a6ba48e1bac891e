from uuid import uuid4

import pytest

from skypanel.domain.errors import Conflict
from skypanel.domain.manifest import OneOff
from web.pending_runs import MAX_WAITING, MAX_WAITING_OF_ONE, WAIT_S, PendingRun, PendingRuns


def run(token_id=None):
    return PendingRun(token_id or uuid4(), uuid4(), OneOff(1234, "true"), None)


@pytest.fixture
def clock():
    return [0.0]


@pytest.fixture
def pending(clock):
    return PendingRuns(lambda: clock[0])


def test_a_secret_works_once(pending):
    arranged = run()
    said = pending.arrange(arranged).encode()
    for wrong in (b"", b".", said[:-1], said + b"x", said.swapcase(), said.partition(b".")[0], b"\xff" + said, said.replace(b".", b".x")):
        assert pending.take(wrong) is None, wrong
    assert pending.take(said) is arranged
    assert pending.take(said) is None


def test_nobody_is_waited_for_longer_than_a_minute(pending, clock):
    said = pending.arrange(run()).encode()
    clock[0] = WAIT_S + 1
    assert pending.take(said) is None


def test_only_so_many_wait_at_once(pending, clock):
    token_id = uuid4()
    for _ in range(MAX_WAITING_OF_ONE):
        pending.arrange(run(token_id))
    with pytest.raises(Conflict, match="Too many"):
        pending.arrange(run(token_id))
    for _ in range(MAX_WAITING - MAX_WAITING_OF_ONE):
        pending.arrange(run())
    with pytest.raises(Conflict, match="Too many"):
        pending.arrange(run())
    clock[0] = WAIT_S + 1
    pending.arrange(run(token_id))


def test_no_secret_is_shown(pending):
    said = pending.arrange(run())
    assert said.partition(".")[2] not in repr(vars(pending))
