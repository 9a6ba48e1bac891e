"""The two processes that `up` starts itself: the launcher and supervisord."""

import asyncio
import contextlib
import os
import subprocess
from asyncio.subprocess import Process
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

MAX_LOG_BYTES = 1 << 20
TAIL_BYTES = 1 << 14


@dataclass
class Child:
    """A child process in its own session. Ctrl-C then reaches `up` alone, which stops its children in order."""

    name: str
    argv: Sequence[str]
    environment: Mapping[str, str]
    home: Path
    stop_timeout_s: float
    process: Process | None = field(default=None, init=False)

    async def start(self) -> None:
        """Start the process; its output is appended to its log."""
        log = open_log(self.home, self.name)
        try:
            self.process = await asyncio.create_subprocess_exec(
                *self.argv,
                cwd=self.home,
                env=dict(self.environment),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        finally:
            os.close(log)

    @property
    def is_running(self) -> bool:
        """Whether the process was started and has not ended."""
        return self.process is not None and self.process.returncode is None

    async def wait(self) -> int:
        """Wait for the process, and return its exit status."""
        return await self.process.wait() if self.process else 0

    async def stop(self, hurry: asyncio.Event) -> None:
        """Send SIGTERM. Send SIGKILL after the timeout, or at once when `hurry` is set."""
        if self.process is None or not self.is_running:
            return
        with contextlib.suppress(ProcessLookupError):
            self.process.terminate()
        ended, hurried = asyncio.create_task(self.process.wait()), asyncio.create_task(hurry.wait())
        await asyncio.wait((ended, hurried), timeout=self.stop_timeout_s, return_when=asyncio.FIRST_COMPLETED)
        hurried.cancel()
        if not ended.done():
            with contextlib.suppress(ProcessLookupError):
                self.process.kill()
        await ended


def log_path(home: Path, name: str) -> Path:
    """Return the log file of a part of the panel."""
    return home / "logs" / "panel" / f"{name}.log"


def open_log(home: Path, name: str) -> int:
    """Return a file descriptor that appends to a log. A long log is rotated first.

    Root opens files in folders of the panel's user, so it must follow no symbolic link there.
    """
    folder = os.open(home, os.O_RDONLY | os.O_DIRECTORY)
    try:
        for part in ("logs", "panel"):
            inner = os.open(part, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=folder)
            os.close(folder)
            folder = inner
        log = _open_beneath(folder, f"{name}.log")
        if os.fstat(log).st_size > MAX_LOG_BYTES:
            os.close(log)
            os.rename(f"{name}.log", f"{name}.log.1", src_dir_fd=folder, dst_dir_fd=folder)
            log = _open_beneath(folder, f"{name}.log")
        return log
    finally:
        os.close(folder)


def _open_beneath(folder: int, name: str) -> int:
    return os.open(name, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW, 0o600, dir_fd=folder)


def last_lines(log: Path, lines: int = 20) -> tuple[str, ...]:
    """Return the last lines of a log; none if it does not exist."""
    try:
        with log.open("rb") as file:
            file.seek(max(0, log.stat().st_size - TAIL_BYTES))
            return tuple(file.read().decode(errors="replace").splitlines()[-lines:])
    except FileNotFoundError:
        return ()
