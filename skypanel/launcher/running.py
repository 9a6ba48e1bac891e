"""Starts a sandbox blocked, so that it gets its limits and network before its command runs."""

import asyncio
import ctypes
import json
import os
import signal
from asyncio.subprocess import Process
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

from skypanel.host.cancellation import complete_despite_cancel
from skypanel.host.commands import CommandFailed
from skypanel.host.descriptors import Pipe, chunks, close_all, readable
from skypanel.launcher.sandbox import Spec, System, command, etc_files, options

_START_TIMEOUT_S = 30.0
_PR_SET_CHILD_SUBREAPER = 36


@dataclass(frozen=True)
class Streams:
    """The descriptors that a sandbox's command gets."""

    stdin: int
    stdout: int
    stderr: int


class RunningSandbox:
    """A sandbox whose command runs or still waits for `release`."""

    def __init__(self, process: Process, init_pid: int, gate: int) -> None:
        self._process = process
        self._pidfd = os.pidfd_open(init_pid)
        self._gate: int | None = os.dup(gate)
        self.init_pid = init_pid

    def release(self) -> None:
        """Let the command start. Calling it again does nothing."""
        gate, self._gate = self._gate, None
        if gate is not None:
            with suppress(BrokenPipeError):
                os.write(gate, b"\n")
            os.close(gate)

    def handle(self) -> int:
        """Return a copy of the pidfd of its first process. The caller closes it."""
        return os.dup(self._pidfd)

    def kill(self) -> None:
        """Kill all its processes: the kernel ends a pid namespace with its first process."""
        try:
            signal.pidfd_send_signal(self._pidfd, signal.SIGKILL)
        except ProcessLookupError:
            return

    async def wait(self) -> int:
        """Return the command's exit status (128 + N for signal N) once all processes of the sandbox have ended."""
        status = await self._process.wait()
        self.kill()
        await readable(self._pidfd)
        with suppress(ChildProcessError):
            # orphans become our children, see adopt_orphans
            os.waitid(os.P_PIDFD, self._pidfd, os.WEXITED | os.WNOHANG)  # noqa: ASYNC222 - it does not wait
        return 128 - status if status < 0 else status

    def close(self) -> None:
        """Close the descriptors."""
        gate, self._gate = self._gate, None
        close_all([self._pidfd] if gate is None else [self._pidfd, gate])


async def start(spec: Spec, system: System, streams: Streams) -> RunningSandbox:
    """Start a sandbox whose command waits for `release`. Raises CommandFailed."""
    starting = asyncio.create_task(_start(spec, system, streams))
    try:
        return await asyncio.shield(starting)
    except asyncio.CancelledError:
        await complete_despite_cancel(_discard_started(starting))
        raise


async def discard(sandbox: RunningSandbox) -> None:
    """Kill a sandbox and close its descriptors."""
    sandbox.kill()
    await sandbox.wait()
    sandbox.close()


async def _discard_started(starting: asyncio.Task[RunningSandbox]) -> None:
    with suppress(CommandFailed):
        await discard(await starting)


async def _start(spec: Spec, system: System, streams: Streams) -> RunningSandbox:
    files = {path: _memory_file(content) for path, content in etc_files(spec).items()}
    calls = _memory_file(system.filter)
    arguments = _memory_file(_joined(options(spec, system, files, calls)))
    with Pipe() as info, Pipe() as gate:
        inherited = [*files.values(), calls, arguments, info.write, gate.read]
        argv = command(spec, system, arguments, info.write, gate.read)
        try:
            process = await asyncio.create_subprocess_exec(
                *argv,
                stdin=streams.stdin,
                stdout=streams.stdout,
                stderr=streams.stderr,
                pass_fds=inherited,
                env={"PATH": os.defpath},
                start_new_session=True,
            )
        except OSError as error:
            raise CommandFailed(f"{argv[0]}: {error.strerror}") from error
        finally:
            close_all([*files.values(), calls, arguments])
        info.close_write()
        try:
            return RunningSandbox(process, await _init_pid(info.read), gate.write)
        except (CommandFailed, ProcessLookupError) as error:
            await _end(process)
            raise CommandFailed(f"The sandbox did not start: {error}") from error


async def _init_pid(info: int) -> int:
    """Return the pid of the sandbox's first process, as bubblewrap reports it."""
    try:
        async with asyncio.timeout(_START_TIMEOUT_S):
            return int(json.loads(b"".join([chunk async for chunk in chunks(info)]))["child-pid"])
    except (ValueError, KeyError) as error:
        raise CommandFailed("bwrap ended early") from error
    except TimeoutError as error:
        raise CommandFailed(f"bwrap said nothing for {_START_TIMEOUT_S:.0f} s") from error


async def _end(process: Process) -> None:
    if process.returncode is None:
        process.kill()
    await process.wait()


def _joined(arguments: Sequence[str]) -> bytes:
    return b"".join(argument.encode() + b"\0" for argument in arguments)


def _memory_file(content: bytes) -> int:
    """Return a descriptor of an unnamed file in memory, at its start."""
    descriptor = os.memfd_create("skypanel")
    with os.fdopen(os.dup(descriptor), "wb") as file:
        file.write(content)
    os.lseek(descriptor, 0, os.SEEK_SET)
    return descriptor


def adopt_orphans() -> None:
    """Become the parent of orphaned descendants (prctl(2), PR_SET_CHILD_SUBREAPER). Not every init reaps them.

    Raises OSError.
    """
    if ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl")
