"""The end of processes, each of which leads a session of its own."""

import os
import signal
from asyncio.subprocess import Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress


@asynccontextmanager
async def ended(process: Process) -> AsyncIterator[None]:
    """Kill a process and all that it started, if it still runs at the end of the block, however the block ends."""
    try:
        yield
    finally:
        if process.returncode is None:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            await process.wait()
