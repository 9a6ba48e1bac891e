"""A git process: it gets a minimal environment, and leaves no files or processes behind."""

import asyncio
import os
import signal
from asyncio.subprocess import PIPE, Process
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Self

END_GRACE_S = 2.0
CHUNK_BYTES = 64 * 1024


class GitProcess:
    """A running git and its three streams."""

    def __init__(self, process: Process, stdin: asyncio.StreamWriter, stdout: asyncio.StreamReader, stderr: asyncio.StreamReader) -> None:
        self._process = process
        self._stdin = stdin
        self._stdout = stdout
        self._stderr = stderr

    @classmethod
    async def start(cls, argv: Sequence[str], environment: Mapping[str, str], inherited: Sequence[int]) -> Self:
        """Start a command in a new session, so that `kill` reaches all of its processes."""
        process = await asyncio.create_subprocess_exec(
            *argv, stdin=PIPE, stdout=PIPE, stderr=PIPE, env=environment, pass_fds=inherited, start_new_session=True
        )
        if process.stdin is None or process.stdout is None or process.stderr is None:
            raise RuntimeError("a process with pipes has its streams")
        return cls(process, process.stdin, process.stdout, process.stderr)

    @property
    def status(self) -> int | None:
        """The exit status, negative if a signal ended the process, None while it runs."""
        return self._process.returncode

    async def read(self) -> bytes:
        """Return some of its stdout, none at the end."""
        return await self._stdout.read(CHUNK_BYTES)

    async def read_error(self) -> bytes:
        """Return some of its stderr, none at the end."""
        return await self._stderr.read(CHUNK_BYTES)

    async def write(self, chunk: bytes) -> None:
        """Write to its stdin. A closed stdin is no error: stdout says why."""
        if self._stdin.is_closing():
            return
        self._stdin.write(chunk)
        with suppress(ConnectionError):
            await self._stdin.drain()

    def close_stdin(self) -> None:
        """Send the end of input."""
        self._stdin.close()

    async def wait(self) -> None:
        """Wait until the process has ended."""
        await self._process.wait()

    def kill(self) -> None:
        """Kill the process and all processes that it started."""
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)

    async def end(self) -> None:
        """End the process: at the end of input, git removes its temporary objects. Killed after END_GRACE_S seconds.

        Another task must read its outputs meanwhile.
        """
        self._stdin.close()
        try:
            async with asyncio.timeout(END_GRACE_S):
                await self._process.wait()
        except TimeoutError:
            self.kill()
            await self._process.wait()
        with suppress(ConnectionError):
            await self._stdin.wait_closed()
