"""A git process: started with nothing of ours but what it needs, and ended so that it leaves nothing behind."""

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
        """Start a command in a session of its own."""
        process = await asyncio.create_subprocess_exec(
            *argv, stdin=PIPE, stdout=PIPE, stderr=PIPE, env=environment, pass_fds=inherited, start_new_session=True
        )
        if process.stdin is None or process.stdout is None or process.stderr is None:
            raise RuntimeError("a process with pipes has its streams")
        return cls(process, process.stdin, process.stdout, process.stderr)

    @property
    def status(self) -> int | None:
        """Its exit status, negative if a signal ended it, None while it runs."""
        return self._process.returncode

    async def read(self) -> bytes:
        """Return some of its stdout, nothing at the end."""
        return await self._stdout.read(CHUNK_BYTES)

    async def read_error(self) -> bytes:
        """Return some of its stderr, nothing at the end."""
        return await self._stderr.read(CHUNK_BYTES)

    async def write(self, chunk: bytes) -> None:
        """Write to its stdin; one that takes no more is no error, as its stdout says why."""
        if self._stdin.is_closing():
            return
        self._stdin.write(chunk)
        with suppress(ConnectionError):
            await self._stdin.drain()

    def close_stdin(self) -> None:
        """Say that nothing more comes."""
        self._stdin.close()

    async def wait(self) -> None:
        """Wait until it has ended."""
        await self._process.wait()

    def kill(self) -> None:
        """Kill it and all it started."""
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)

    async def end(self) -> None:
        """Have it end: at the end of its input git removes what it was about to store. Killed if that takes too long.

        Somebody is to read its outputs meanwhile.
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
