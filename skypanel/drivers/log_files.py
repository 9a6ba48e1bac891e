"""Logs in files: `<app id>/<dyno>.log`, rotated to `.log.1` and so on.

Lines are written as they are read: `<RFC 3339 time in UTC> app[<dyno>]: <text>`, the time always with
microseconds, so that lines sort by time as text. The launcher writes the dynos' files.
"""

import asyncio
import fcntl
import os
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from contextlib import aclosing
from itertools import count
from pathlib import Path

from skypanel.domain.app import App
from skypanel.domain.errors import Unavailable
from skypanel.domain.terminal import clean
from skypanel.drivers.log_watch import Watches
from skypanel.ports import Clock

POLL_S = 0.2
BLOCK_BYTES = 64 * 1024
MAX_BYTES = 10 * 1024**2
PLATFORM = "api"


class FileLogs:
    """The logs of all apps, in a folder an app under `root`."""

    def __init__(self, root: Path, clock: Clock) -> None:
        self._root = root
        self._clock = clock
        self._watches = Watches(POLL_S)

    async def read(self, app: App, lines: int = 100, *, follow: bool = False, dyno: str | None = None) -> AsyncIterator[str]:
        """Yield an app's last lines, oldest first, then those that are written from now on; `dyno` is web.1, or web for all of them."""
        folder = _Folder(self._root / str(app.id), dyno)

        async def begin() -> _Folder:
            await asyncio.to_thread(folder.last, 0)
            return folder

        if follow:
            async with aclosing(self._watches.lines((app.id, dyno), lines, begin)) as followed:
                async for line in followed:
                    yield line
            return
        try:
            for line in await asyncio.to_thread(folder.last, lines):
                yield line
        finally:
            folder.close()

    async def write(self, app: App, text: str) -> None:
        """Add a line of the platform's own about an app, as `app[api]`."""
        line = f"{self._clock.now().isoformat(timespec='microseconds')} app[{PLATFORM}]: {clean(text)}\n"
        path = self._root / str(app.id) / f"{PLATFORM}.log"
        try:
            await asyncio.to_thread(_append, path, line.encode(errors="replace"))
        except OSError as error:
            raise Unavailable(f"The log of {app.name} cannot be written: {error.strerror}.", "Look at the panel's disk.") from error


class _Folder:
    """The files of an app that are read; those that appear later are read from their beginning."""

    def __init__(self, path: Path, dyno: str | None) -> None:
        self._path = path
        self._dyno = dyno
        self._files: dict[str, _LogFile] = {}

    def last(self, lines: int) -> Sequence[str]:
        """Return the last lines of all files together."""
        found = [line for file in self._appeared() for line in file.last(lines)]
        return _by_time(found)[-lines:] if lines > 0 else []

    def known(self, lines: int) -> Sequence[str]:
        """Return the last lines of those that were read."""
        found = [line for file in self._files.values() for line in file.known(lines)]
        return _by_time(found)[-lines:] if lines > 0 else []

    def copy(self) -> "_Folder":
        """Return another that was read as far."""
        copied = _Folder(self._path, self._dyno)
        copied._files = {name: file.copy() for name, file in self._files.items()}
        return copied

    def fresh(self) -> Sequence[str]:
        """Return the lines that were written since the last look."""
        appeared = [line for file in self._appeared() for line in file.all()]
        return _by_time(appeared + [line for file in self._files.values() for line in file.fresh()])

    def close(self) -> None:
        """Close all files."""
        for file in self._files.values():
            file.close()

    def _appeared(self) -> list["_LogFile"]:
        names = {path.name for path in self._path.glob("*.log") if self._is_wanted(path.stem)} - self._files.keys()
        appeared = {name: _LogFile(self._path / name) for name in sorted(names)}
        self._files |= appeared
        return list(appeared.values())

    def _is_wanted(self, name: str) -> bool:
        return self._dyno in {None, name, name.rpartition(".")[0]}


class _LogFile:
    """One dyno's file; its older generations have numbers. What was read is known by inode and offset."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._fd: int | None = None
        self._offset = 0

    def last(self, lines: int) -> list[str]:
        """Return the last lines; what comes later is fresh."""
        self._open(self._path)
        found: list[str] = []
        if self._fd is not None:
            self._offset, found = _last_lines(self._fd, lines)
        for path in self._older():
            if len(found) >= lines:
                break
            found = _last_lines_of(path, lines - len(found)) + found
        return found

    def known(self, lines: int) -> list[str]:
        """Return the last lines of what was read."""
        if self._fd is None:
            return []
        _, found = _last_lines(self._fd, lines, self._offset)
        for path in self._before():
            if len(found) >= lines:
                break
            found = _last_lines_of(path, lines - len(found)) + found
        return found

    def copy(self) -> "_LogFile":
        """Return another that was read as far."""
        copied = _LogFile(self._path)
        copied._fd, copied._offset = None if self._fd is None else os.dup(self._fd), self._offset
        return copied

    def all(self) -> list[str]:
        """Return all lines of a file that was not there before."""
        self._open(self._path)
        return self.fresh()

    def fresh(self) -> list[str]:
        """Return what was written since, also to files that were rotated since."""
        found = self._rest()
        for path in self._newer():
            self._open(path)
            found += self._rest()
        return found

    def close(self) -> None:
        """Close the file."""
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None

    def _open(self, path: Path) -> None:
        """Go over to a generation, unless it has just been rotated away."""
        try:
            fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
        except FileNotFoundError:
            return
        self.close()
        self._fd, self._offset = fd, 0

    def _rest(self) -> list[str]:
        if self._fd is None:
            return []
        body = b"".join(_blocks(self._fd, self._offset))
        end = body.rfind(b"\n") + 1
        self._offset += end
        return _lines(body[:end])

    def _older(self) -> Iterator[Path]:
        """Yield the older generations, the newest first."""
        for number in count(1):
            path = self._path.with_name(f"{self._path.name}.{number}")
            if not path.exists():
                return
            yield path

    def _before(self) -> list[Path]:
        """Return the generations that came before the open one, the newest first."""
        opened = os.fstat(self._fd) if self._fd is not None else None
        paths = [self._path, *self._older()]
        at = next((number for number, path in enumerate(paths) if opened and _is_at(opened, path)), len(paths))
        return paths[at + 1 :]

    def _newer(self) -> list[Path]:
        """Return the generations that came after the open one, the oldest first."""
        opened = None if self._fd is None else os.fstat(self._fd)
        newer: list[Path] = []
        for path in (self._path, *self._older()):
            if opened and _is_at(opened, path):
                break
            if path.exists():
                newer.append(path)
        return newer[::-1]


def _by_time(lines: Iterable[str]) -> list[str]:
    return sorted(lines, key=lambda line: line.partition(" ")[0])


def _lines(body: bytes) -> list[str]:
    return [clean(line) for line in body.decode(errors="replace").split("\n")[:-1]]


def _blocks(fd: int, offset: int) -> Iterator[bytes]:
    while block := os.pread(fd, BLOCK_BYTES, offset):
        yield block
        offset += len(block)


def _last_lines(fd: int, lines: int, end_at: int | None = None) -> tuple[int, list[str]]:
    """Return where the last whole line ends, of the file or of its first bytes, and the last lines."""
    start = os.fstat(fd).st_size if end_at is None else end_at
    blocks: list[bytes] = []
    ends = 0
    while start > 0 and ends <= lines:
        size = min(BLOCK_BYTES, start)
        start -= size
        blocks.append(os.pread(fd, size, start))
        ends += blocks[-1].count(b"\n")
    body = b"".join(reversed(blocks))
    end = body.rfind(b"\n") + 1
    return start + end, _lines(body[:end])[-lines:] if lines > 0 else []


def _last_lines_of(path: Path, lines: int) -> list[str]:
    try:
        with path.open("rb") as file:
            return _last_lines(file.fileno(), lines)[1]
    except FileNotFoundError:
        return []


def _is_at(status: os.stat_result, path: Path) -> bool:
    """Whether an open file is still the one of that name."""
    try:
        return os.path.samestat(status, path.stat())
    except FileNotFoundError:
        return False


def _append(path: Path, line: bytes) -> None:
    """Append to a file that several processes write to; under its lock, a full one is rotated first."""
    path.parent.mkdir(mode=0o750, parents=True, exist_ok=True)
    while True:
        fd = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW, 0o640)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX)
            status = os.fstat(fd)
            if not _is_at(status, path):
                continue
            if status.st_size + len(line) <= MAX_BYTES:
                os.write(fd, line)
                return
            path.replace(path.with_name(f"{path.name}.1"))
        finally:
            os.close(fd)
