"""Reads where the processes of a running sandbox listen, and how busy they are."""

import asyncio
import os
from concurrent.futures import ThreadPoolExecutor

from skypanel.host import listening
from skypanel.host.listening import PortSnapshot
from skypanel.launcher import processes
from skypanel.launcher.running import RunningSandbox


async def look(sandbox: RunningSandbox, port: int) -> PortSnapshot:
    """Look at a sandbox that should listen on `port`, outside the event loop. Raises OSError."""
    process = sandbox.handle()
    try:
        # the thread enters the sandbox's network namespace and ends there, so nothing has to switch back
        with ThreadPoolExecutor(1) as thread:
            return await asyncio.get_running_loop().run_in_executor(thread, _look, process, sandbox.init_pid, port)
    finally:
        os.close(process)


def _look(process: int, init: int, port: int) -> PortSnapshot:
    try:
        listening.enter(process)
    except ProcessLookupError:
        return PortSnapshot(port)
    return PortSnapshot(port, listening.listeners(port), processes.used_s(processes.descendants(processes.parents(), init) | {init}))
