"""Signals to stop: the first for a graceful shutdown, the second for a quick one."""

import asyncio
import contextlib
import signal
from collections.abc import AsyncIterator, Coroutine

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Interruption:
    """`once` is set by the first signal, `again` by the second."""

    def __init__(self) -> None:
        self.once = asyncio.Event()
        self.again = asyncio.Event()

    def interrupt(self) -> None:
        """Count a signal."""
        (self.again if self.once.is_set() else self.once).set()

    async def or_end_of(self, work: Coroutine[None, None, None]) -> None:
        """Run `work` to its end, or until the first signal cancels it. Raises what `work` raises."""
        working, interrupted = asyncio.create_task(work), asyncio.create_task(self.once.wait())
        try:
            await asyncio.wait((working, interrupted), return_when=asyncio.FIRST_COMPLETED)
        finally:
            interrupted.cancel()
            if not working.done():
                working.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await working


@contextlib.asynccontextmanager
async def interruption() -> AsyncIterator[Interruption]:
    """Handle the signals to stop while the block runs."""
    loop = asyncio.get_running_loop()
    heard = Interruption()
    for number in SIGNALS:
        loop.add_signal_handler(number, heard.interrupt)
    try:
        yield heard
    finally:
        for number in SIGNALS:
            loop.remove_signal_handler(number)
