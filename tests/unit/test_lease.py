"""A job on a lease, by a clock that jumps to whatever is due next."""

import asyncio
import selectors

import pytest

from skypanel.domain.errors import Conflict, Denied, Invalid, NotFound, Throttled, Unavailable, Unpaid
from skypanel.flow.lease import LEASE_S, RELEASE_MARGIN_S, RENEW_EVERY_S, LeaseLost, held


class Jumping(selectors.SelectSelector):
    """Waits for nothing: time passes instead."""

    now = 0.0

    def select(self, timeout=None):
        self.now += timeout or 0
        return super().select(0)


class Loop(asyncio.SelectorEventLoop):
    def __init__(self):
        self.clock = Jumping()
        super().__init__(self.clock)

    def time(self):
        return self.clock.now


def run(coroutine):
    with asyncio.Runner(loop_factory=Loop) as runner:
        return runner.run(coroutine)


async def ended(renew, work_s=1000.0):
    """Return when a block on a lease ended, and what it raised."""
    loop = asyncio.get_running_loop()
    try:
        async with held(renew):
            try:
                await asyncio.sleep(work_s)
            finally:
                at = loop.time()
    except LeaseLost as lost:
        return at, lost
    return at, None


ERRORS = [
    *(kind("Something is wrong.") for kind in (Conflict, Denied, Invalid, NotFound, Throttled, Unpaid)),
    RuntimeError("a statement that always returns a row returned none"),
    TimeoutError(),
    OSError("no route to host"),
    KeyError("attempt"),
    asyncio.CancelledError(),
]


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
def test_any_error_of_renewing_ends_the_block_at_once(error):
    async def renew():
        raise error

    at, lost = run(ended(renew))
    assert at == RENEW_EVERY_S
    assert lost.__cause__ is (None if isinstance(error, asyncio.CancelledError) else error)


def test_a_lease_that_somebody_else_has_ends_the_block_at_once():
    async def renew():
        return False

    at, lost = run(ended(renew))
    assert (at, type(lost)) == (RENEW_EVERY_S, LeaseLost)


def test_a_database_that_stays_away_ends_the_block_before_the_lease_ends():
    asked = []

    async def renew():
        asked.append(asyncio.get_running_loop().time())
        raise Unavailable("The database does not answer.")

    at, lost = run(ended(renew))
    assert asked == [5, 10, 15]
    assert at == LEASE_S - RELEASE_MARGIN_S
    assert isinstance(lost, LeaseLost)


def test_a_renewal_that_never_answers_ends_the_block_before_the_lease_ends():
    async def renew():
        await asyncio.Event().wait()

    at, lost = run(ended(renew))
    assert at == LEASE_S - RELEASE_MARGIN_S
    assert isinstance(lost, LeaseLost)


def test_an_answer_that_comes_late_prolongs_the_lease_from_when_it_was_asked_for():
    answers = iter([lambda: asyncio.sleep(10, result=True), lambda: asyncio.Event().wait()])

    async def renew():
        return await next(answers)()

    at, _ = run(ended(renew))
    assert at == RENEW_EVERY_S + LEASE_S - RELEASE_MARGIN_S


def test_a_database_that_comes_back_in_time_is_nothing_to_the_block():
    answers = iter([Unavailable("The database does not answer."), Unavailable("Still not."), *[True] * 50])

    async def renew():
        answer = next(answers)
        if isinstance(answer, Exception):
            raise answer
        return answer

    assert run(ended(renew, work_s=200)) == (200, None)


def test_an_answer_after_the_block_was_told_to_end_changes_nothing():
    async def block():
        answer = asyncio.Event()

        async def renew():
            await answer.wait()
            return True

        async with held(renew):
            try:
                await asyncio.sleep(1000)
            finally:
                answer.set()
                await asyncio.sleep(1)

    with pytest.raises(LeaseLost):
        run(block())


@pytest.mark.parametrize("error", [TimeoutError("of its own"), ValueError("of its own")])
def test_what_the_block_raises_is_raised(error):
    async def block():
        async def renew():
            return True

        async with held(renew):
            raise error

    with pytest.raises(type(error), match="of its own"):
        run(block())


def test_a_block_that_is_cancelled_is_cancelled_and_has_not_lost_its_lease():
    async def cancelled():
        async def renew():
            return True

        task = asyncio.create_task(ended(renew))
        await asyncio.sleep(7)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    run(cancelled())


def test_a_block_that_lost_its_lease_can_be_followed_by_others():
    async def twice():
        async def renew():
            return False

        return [type((await ended(renew))[1]), type((await ended(renew))[1]), asyncio.current_task().cancelling()]

    assert run(twice()) == [LeaseLost, LeaseLost, 0]
