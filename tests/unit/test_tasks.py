"""What runs together: results in order, one error for its caller, nothing left running."""

import asyncio

import pytest

from skypanel.tasks import together


async def later(value):
    await asyncio.sleep(0)
    return value


async def fail(error):
    await asyncio.sleep(0)
    raise error


async def test_results_come_in_order():
    assert await together(later(1), later("two"), later(3)) == (1, "two", 3)
    assert await together() == ()


async def test_an_error_comes_alone_with_its_cause_once_the_others_have_ended():
    ended = asyncio.Event()

    async def go_on():
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)
            ended.set()

    cause = OSError("why")
    error = ValueError("what")
    error.__cause__ = cause
    with pytest.raises(ValueError, match="what") as raised:
        await together(go_on(), fail(error))
    assert raised.value is error
    assert error.__cause__ is cause
    assert ended.is_set()


async def test_a_timeout_around_it_is_a_timeout_even_if_cleanup_fails():
    async def clean_up_badly():
        try:
            await asyncio.Event().wait()
        finally:
            raise ValueError

    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.01):
            await together(clean_up_badly(), later(1))


async def test_a_cancelled_caller_is_cancelled():
    running = asyncio.create_task(together(asyncio.Event().wait(), later(1)))
    await asyncio.sleep(0)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running


async def test_an_error_leaves_no_cancellation_behind():
    with pytest.raises(ValueError, match="what"):
        await together(fail(ValueError("what")), later(1))
    assert asyncio.current_task().cancelling() == 0
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.01):
            await asyncio.Event().wait()


async def test_the_first_of_several_errors_is_raised():
    with pytest.raises(ValueError, match="first"):
        await together(fail(ValueError("first")), fail(ValueError("second")))
