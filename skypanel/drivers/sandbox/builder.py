"""Builds in bubblewrap sandboxes, which the launcher makes."""

import asyncio
import os
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager

from skypanel.domain.app import App
from skypanel.domain.limits import Limits
from skypanel.domain.manifest import Exit
from skypanel.drivers.sandbox.launcher import WORK_S, Launcher, LauncherConnection, answered_within
from skypanel.host.descriptors import Pipe, chunks, write_all
from skypanel.host.lines import LineSplitter
from skypanel.host.protocol import Message, Tenant, limits_message, tenant_message
from skypanel.ports.builder import Step, StepFailed, Workspace
from skypanel.ports.output import WriteLine

LAST_LINES = 20


class BubblewrapBuilder:
    """Opens workspaces at the launcher."""

    def __init__(self, launcher: Launcher) -> None:
        self._launcher = launcher

    def workspace(self, app: App, limits: Limits) -> AbstractAsyncContextManager[Workspace]:
        """Open an empty workspace. At the end of the block all of it is deleted except /cache. Raises Unavailable."""
        return open_workspace(self._launcher, Tenant(app.id, app.number), limits)


@asynccontextmanager
async def open_workspace(
    launcher: Launcher, tenant: Tenant, limits: Limits, digest: str | None = None
) -> AsyncIterator["SandboxWorkspace"]:
    """Open the workspace of a build, or with the digest of a staged slug that of a one-off dyno. Raises Unavailable."""
    async with launcher.connect() as connection:
        async with answered_within(WORK_S):
            await connection.send({"do": "workspace", "tenant": tenant_message(tenant), "limits": limits_message(limits), "digest": digest})
            await connection.receive()
        workspace = SandboxWorkspace(connection)
        try:
            yield workspace
        finally:
            await workspace.hang_up()
            await connection.finish()


class SandboxWorkspace:
    """The panel's end of a workspace. It runs one step at a time."""

    def __init__(self, connection: LauncherConnection) -> None:
        self._connection = connection
        self._running: asyncio.Task[Exit] | None = None
        self._cancelled: asyncio.Task[Exit] | None = None

    async def run(self, step: Step, write: WriteLine, stdin: AsyncIterable[bytes] | None = None) -> Exit:
        """Run a step until it ends, and pass its stdout and stderr to `write` line by line."""
        with Pipe() as output, Pipe() as source:
            running = await self._begin(step, (source.read, output.write, output.write))
            output.close_write()
            source.close_read()
            feeding = asyncio.create_task(_feed(source, stdin))
            try:
                await _copy_lines(output, write)
                exit_ = await running
                if feeding.done():
                    feeding.result()
                return exit_
            finally:
                await self._end(running, feeding)

    async def read(self, step: Step) -> AsyncGenerator[bytes, None]:
        """Yield a step's stdout as it comes.

        Raises StepFailed at the end if the step failed, with the last lines of its stderr as a note.
        """
        with Pipe() as output, Pipe() as complaints:
            running = await self._begin_without_input(step, output.write, complaints.write)
            output.close_write()
            complaints.close_write()
            listening = asyncio.create_task(_last_lines(complaints))
            try:
                async for chunk in chunks(output.read):
                    yield chunk
                exit_ = await running
                if not exit_.ok:
                    failure = StepFailed(exit_)
                    failure.add_note("\n".join(await listening))
                    raise failure
            finally:
                await self._end(running, listening)

    async def hang_up(self) -> None:
        """Stop waiting for a running step. The launcher kills it when the connection closes."""
        if self._running is not None:
            self._running.cancel()
            await asyncio.wait({self._running})

    async def _begin(self, step: Step, descriptors: Sequence[int]) -> asyncio.Task[Exit]:
        if self._running is not None:
            await self._cancel(self._running)
        await self._connection.send(_step_message(step), descriptors)
        self._running = asyncio.create_task(self._receive_exit())
        return self._running

    async def _begin_without_input(self, step: Step, stdout: int, stderr: int) -> asyncio.Task[Exit]:
        null = os.open(os.devnull, os.O_RDONLY)
        try:
            return await self._begin(step, (null, stdout, stderr))
        finally:
            os.close(null)

    async def _receive_exit(self) -> Exit:
        answer = await self._connection.receive()
        return Exit(answer["code"], answer["reason"])

    async def _cancel(self, running: asyncio.Task[Exit]) -> None:
        """Cancel a step and wait for its answer."""
        if not running.done():
            if self._cancelled is not running:
                self._cancelled = running
                await self._connection.send({"do": "cancel"})
            await asyncio.wait({running})

    async def _end(self, running: asyncio.Task[Exit], helper: "asyncio.Task[None] | asyncio.Task[list[str]]") -> None:
        """Clean up after a step, whether it ended or its caller was cancelled."""
        helper.cancel()
        await asyncio.wait({helper})
        await self._cancel(running)


async def _copy_lines(output: Pipe, write: WriteLine) -> None:
    splitter = LineSplitter()
    async for chunk in chunks(output.read):
        for line in splitter.feed(chunk):
            await write(line)
    for line in splitter.end():
        await write(line)


async def _feed(source: Pipe, stdin: AsyncIterable[bytes] | None) -> None:
    """Write to a step's stdin until the step closes it. If `stdin` raises an error, the step's stdin is closed early."""
    os.set_blocking(source.write, False)
    try:
        if stdin is not None:
            async for chunk in stdin:
                await write_all(source.write, chunk)
    except BrokenPipeError:
        return
    finally:
        source.close_write()


async def _last_lines(complaints: Pipe) -> list[str]:
    splitter = LineSplitter()
    last: deque[str] = deque(maxlen=LAST_LINES)
    async for chunk in chunks(complaints.read):
        last.extend(splitter.feed(chunk))
    return [*last, *splitter.end()]


def _step_message(step: Step) -> Message:
    return {
        "do": "step",
        "argv": list(step.argv),
        "environment": dict(step.environment),
        "directory": step.directory,
        "network": step.network,
    }
