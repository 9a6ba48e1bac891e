"""Reads where the processes of a running sandbox listen, and how busy they are."""

import asyncio
import os
from concurrent.futures import ThreadPoolExecutor

from skypanel.host import listening
from skypanel.host.listening import Look
from skypanel.launcher import processes
from skypanel.launcher.running import Running


async def look(sandbox: Running, port: int) -> Look:
    """Look at a sandbox that should listen on `port`, outside the event loop. Raises OSError."""
    process = sandbox.handle()
    try:
        # the thread enters the sandbox's network namespace and ends there, so nothing has to switch back
        with ThreadPoolExecutor(1) as thread:
            return await asyncio.get_running_loop().run_in_executor(thread, _look, process, sandbox.init_pid, port)
    finally:
        os.close(process)


def _look(process: int, init: int, port: int) -> Look:
    try:
        listening.enter(process)
    except ProcessLookupError:
        return Look(port)
    return Look(port, listening.listeners(port), processes.used_s(processes.descendants(processes.parents(), init) | {init}))
