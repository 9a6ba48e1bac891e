"""Limits that are run over while a sandbox runs: those of time, by a clock that is set forward."""

import asyncio

import pytest

from skypanel.domain.manifest import ONE_OFF_LIFE_S
from skypanel.host.overrun import Overrun
from skypanel.launcher.bounds import watch

TURNS = 20


class HurriedLoop(asyncio.SelectorEventLoop):
    """An event loop whose clock is `ahead_s` before the real one."""

    ahead_s = 0.0

    def time(self):
        return super().time() + self.ahead_s


class NoBounds:
    """Control groups in which memory never runs out."""

    def out_of_memory(self):
        return False


async def still_watches(life_s, after_s):
    """Whether somebody who watches over a life of so many seconds still does after so many."""
    loop = asyncio.get_running_loop()
    watching = asyncio.create_task(watch(NoBounds(), (), None if life_s is None else loop.time() + life_s))
    await asyncio.sleep(0)
    loop.ahead_s = after_s
    for _ in range(TURNS):
        await asyncio.sleep(0)
    if not watching.done():
        watching.cancel()
        return True
    assert watching.result() is Overrun.TIMEOUT
    return False


@pytest.mark.parametrize(
    ("life_s", "after_s", "lives"),
    [(ONE_OFF_LIFE_S, ONE_OFF_LIFE_S - 60, True), (ONE_OFF_LIFE_S, ONE_OFF_LIFE_S + 1, False), (None, ONE_OFF_LIFE_S + 1, True)],
)
def test_what_runs_for_a_day_ends_with_it(life_s, after_s, lives):
    with asyncio.Runner(loop_factory=HurriedLoop) as runner:
        assert runner.run(still_watches(life_s, after_s)) == lives
