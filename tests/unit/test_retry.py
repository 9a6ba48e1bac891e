"""Retries with backoff: what is retried, until when, and what that costs who needs none."""

import subprocess
import sys

import pytest

from skypanel.retry import Backoff

SOON = Backoff(first_s=0.001, longest_s=0.002)


class Busy(Exception):
    """An error that passes."""


class Failing:
    """Raises the errors that it is given, then returns how often it was called."""

    def __init__(self, *errors: Exception) -> None:
        self.errors = list(errors)
        self.calls = 0

    def __call__(self):
        self.calls += 1
        if self.errors:
            raise self.errors.pop(0)
        return self.calls

    async def soon(self):
        return self()


async def test_an_error_that_passes_is_retried():
    assert await SOON.retry(Failing(Busy(), Busy()).soon, Busy) == 3
    assert SOON.retry_blocking(Failing(Busy(), Busy()), (OSError, Busy)) == 3


async def test_another_error_is_raised_at_once_however_late_it_comes():
    for errors in ([ValueError("no")], [Busy(), ValueError("no")]):
        failing, blocking = Failing(*errors), Failing(*errors)
        with pytest.raises(ValueError, match="no"):
            await SOON.retry(failing.soon, Busy)
        with pytest.raises(ValueError, match="no"):
            SOON.retry_blocking(blocking, Busy)
        assert failing.calls == blocking.calls == len(errors)


async def test_an_error_of_the_kind_that_does_not_pass_is_raised_at_once():
    failing = Failing(Busy("full"), Busy("broken"))
    with pytest.raises(Busy, match="broken"):
        await SOON.retry(failing.soon, Busy, lambda error: "full" in str(error))
    assert failing.calls == 2


async def test_the_last_error_is_raised_after_so_many_attempts():
    few, failing = Backoff(0.001, 0.002, attempts=3), Failing(*(Busy(str(number)) for number in range(9)))
    with pytest.raises(Busy, match="2"):
        await few.retry(failing.soon, Busy)


@pytest.mark.parametrize("within_s", [-1.0, 0.0, 0.01])
async def test_the_error_is_raised_when_the_time_is_over(within_s):
    failing = Failing(*(Busy() for _ in range(10_000)))
    with pytest.raises(Busy):
        await SOON.retry(failing.soon, Busy, within_s=within_s)
    assert failing.calls < 100


def test_what_succeeds_at_once_does_not_import_the_library():
    tell = "import sys; from skypanel.retry import Backoff; Backoff(1, 1).retry_blocking(int, OSError); print('stamina' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", tell], capture_output=True, text=True, check=True).stdout == "False\n"
