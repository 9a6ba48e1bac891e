"""Logs in files: `<app id>/<dyno>.log`, rotated to `.log.1` and so on. `domain/log.py` defines the format of a line.

The launcher writes the files on the embedded engine. On a Swarm, collectors write them through `append`.
"""

import asyncio
import errno
import fcntl
import os
import re
import shutil
import stat
from collections import Counter
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
from contextlib import aclosing, closing, contextmanager, suppress
from datetime import datetime
from heapq import merge
from itertools import chain, count, islice, takewhile
from pathlib import Path
from typing import BinaryIO
from uuid import UUID

from skypanel.domain.app import App
from skypanel.domain.errors import Unavailable
from skypanel.domain.histogram import FAILURES, Buckets, Histogram
from skypanel.domain.ids import AppId, OrganizationId
from skypanel.domain.log import (
    MAX_BYTES,
    MAX_OLDER_FILES,
    NEWEST,
    STAMP_LENGTH,
    LogLine,
    LogQuery,
    Source,
    ends_file,
    kept_files,
    parse_stored,
    process_type,
    time_at,
)
from skypanel.domain.terminal import clean
from skypanel.drivers.logs.matching import Matches, matcher
from skypanel.drivers.logs.scanning import BLOCK_BYTES, EVERYTHING, Scan, end_of_lines, lines_before, lines_from, split
from skypanel.drivers.logs.watch import Watches
from skypanel.ports.clock import Clock

POLL_S = 0.2
CHUNK_LINES = 1000
# How many lines a histogram looks at: it takes about half a second of a processor.
MAX_COUNTED = 50_000
# The maximum of an app's files together. The least recently written ones are deleted first.
MAX_APP_BYTES = 200 * 1024**2
MAX_APP_FILES = 2000

# Files with lines about any dyno.
_OF_PLATFORM = frozenset({Source.SYSTEM.value})
_APP = re.compile("[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


class FileLogs:
    """The logs of all apps, in a folder for each app under `root`."""

    def __init__(self, root: Path, clock: Clock) -> None:
        self._root = root
        self._clock = clock
        self._watches = Watches(POLL_S)

    async def read(self, app: App, query: LogQuery = NEWEST, *, follow: bool = False) -> AsyncIterator[LogLine]:
        """Yield a page of an app's lines, oldest first, and with `follow` new lines until cancelled. Raises Invalid for a bad pattern.

        Lines come in the order of their times. Where a clock went back, a page ends by the order in which lines were written.
        """
        wanted = matcher(query)
        if follow:
            async with aclosing(
                self._watches.lines((app.id, query.dyno), query, wanted, lambda: self._begin(app.id, query.dyno))
            ) as followed:
                async for line in followed:
                    yield line
            return
        with closing(self.open(app.id, query.dyno)) as folder:
            for line in await asyncio.to_thread(folder.find, query, wanted):
                yield line

    async def all(self, app: App, query: LogQuery) -> AsyncIterator[LogLine]:
        """Yield all lines that the query admits, oldest first, in bounded memory. Raises Invalid for a bad pattern.

        Where a clock went back, the lines of a dyno come as they were written.
        """
        wanted = matcher(query)
        with closing(self.open(app.id, query.dyno)) as folder:
            await asyncio.to_thread(folder.move_to_end)
            async for line in in_chunks(query.unseen(folder.forwards(query, wanted))):
                yield line

    async def count(self, app: App, query: LogQuery, buckets: Buckets) -> Histogram:
        """Count the lines that the query admits. It looks at the newest MAX_COUNTED that there are. Raises Invalid for a bad pattern."""
        within = buckets.within(query)
        wanted = matcher(within)
        with closing(self.open(app.id, query.dyno)) as folder:
            return await asyncio.to_thread(folder.count, within, wanted, buckets)

    def open(self, app_id: AppId, dyno: str | None = None) -> "Folder":
        """Return an app's files, or only those of a dyno such as web.1 or a type such as web."""
        return Folder(self._root / str(app_id), dyno)

    def trouble(self) -> None:
        """Return None: lines are always read from the files."""

    async def write(self, app: App, text: str, source: Source = Source.API, dyno: str = "") -> None:
        """Append a line of the platform about an app, or about one of its dynos."""
        line = LogLine(dyno, self._clock.now(), clean(text), source)
        # The launcher alone writes and rotates the files of its dynos, so this line goes into a file of its source.
        await self._append(app.id, {source: [line]}, again=False)

    async def append(self, app_id: AppId, lines: Sequence[LogLine], *, again: bool = False) -> None:
        """Append lines of an app's dynos. With `again`, some of them may be stored already and are skipped. Raises Unavailable."""
        by_dyno: dict[str, list[LogLine]] = {}
        for line in lines:
            by_dyno.setdefault(line.process, []).append(line)
        await self._append(app_id, by_dyno, again=again)

    async def kept(self) -> Sequence[AppId]:
        """Return the apps that have lines."""
        return await asyncio.to_thread(lambda: [AppId(UUID(path.name)) for path in self._root.glob("*") if _APP.fullmatch(path.name)])

    async def oldest(self, app: App) -> datetime | None:
        """Return the time of an app's oldest line, or None if it has none."""
        return await asyncio.to_thread(_oldest, self._root / str(app.id))

    async def drop(self, app_id: AppId, before: datetime) -> None:
        """Delete the files of an app that were last written before a time. Raises Unavailable."""
        try:
            await asyncio.to_thread(_drop, self._root / str(app_id), before)
        except OSError as error:
            raise Unavailable(f"Old log files cannot be deleted: {error.strerror}.", "Check the panel's disk.") from error

    async def forget(self, app_id: AppId, organization_id: OrganizationId | None = None) -> None:  # noqa: ARG002 - the port's
        """Delete an app's lines."""
        await asyncio.to_thread(shutil.rmtree, self._root / str(app_id), ignore_errors=True)

    async def _begin(self, app_id: AppId, dyno: str | None) -> "Folder":
        """Return an app's files, positioned at their ends."""
        folder = self.open(app_id, dyno)
        await asyncio.to_thread(folder.move_to_end)
        return folder

    async def _append(self, app_id: AppId, by_dyno: Mapping[str, Sequence[LogLine]], *, again: bool) -> None:
        try:
            for dyno, lines in by_dyno.items():
                path = self._root / str(app_id) / f"{dyno}.log"
                await asyncio.to_thread(_append, path, lines, self._clock.now(), again=again)
        except OSError as error:
            raise Unavailable(f"The log of the app {app_id} cannot be written: {error.strerror}.", "Check the panel's disk.") from error


class Folder:
    """A reader of an app's files. Files that appear later are read from their beginning."""

    def __init__(self, path: Path, dyno: str | None) -> None:
        self._path = path
        self._dyno = dyno
        self._files: dict[str, _LogFile] = {}

    def find(self, query: LogQuery, wanted: Matches) -> list[LogLine]:
        """Return a page of all files together, and move to their ends."""
        self.move_to_end()
        return self.known(query, wanted)

    def tails(self, lines: int) -> dict[str, list[str]]:
        """Return the last stored lines of each dyno, oldest first, and move to the ends of the files."""
        return {file.dyno: list(islice(file.backwards(EVERYTHING), lines))[::-1] for file in self.move_to_end()}

    def known(self, query: LogQuery, wanted: Matches) -> list[LogLine]:
        """Return a page of the lines that were already read."""
        return query.page(self.candidates(query, wanted))

    def candidates(self, query: LogQuery, wanted: Matches) -> list[LogLine]:
        """Return the lines that were already read, of which `query.page` makes the page."""
        if query.limit <= 0:
            return []
        if query.from_start:
            return sorted(islice(self.forwards(query, wanted), query.longest_page), key=_time)
        found = list(islice(self.backwards(query, wanted), query.longest_page))
        found.reverse()
        return sorted(found, key=_time)

    def backwards(self, query: LogQuery, wanted: Matches, *, every: bool = False) -> Iterator[LogLine]:
        """Yield the wanted lines that were already read, newest first; with `every`, all of the blocks in which some may be."""
        scan, chosen = Scan(query, wanted), EVERYTHING.wanted if every else wanted
        # Of lines with the same time, the one of the first file comes first.
        files = [file for _, file in sorted(self._files.items(), reverse=True)]
        return merge(*(_parsed(file.backwards(scan), chosen) for file in files), key=_time, reverse=True)

    def forwards(self, query: LogQuery, wanted: Matches) -> Iterator[LogLine]:
        """Yield the wanted lines that were already read, oldest first."""
        scan = Scan(query, wanted)
        files = [file for _, file in sorted(self._files.items())]
        return merge(*(_parsed(file.forwards(scan), wanted) for file in files), key=_time)

    def count(self, query: LogQuery, wanted: Matches, buckets: Buckets) -> Histogram:
        """Count wanted lines, the newest first."""
        self.move_to_end()
        lines, failures = [0] * buckets.number, [0] * buckets.number
        left = MAX_COUNTED
        for line in self.backwards(query, wanted, every=True):
            number = buckets.at(line.time)
            if number is None:
                continue
            if not left:
                return Histogram(buckets, lines, failures, line.time)
            left -= 1
            if wanted(line):
                lines[number] += 1
                failures[number] += line.level in FAILURES
        return Histogram(buckets, lines, failures)

    def move_to_end(self) -> list["_LogFile"]:
        """Move to the ends of files that appeared, and return them."""
        appeared = self._appeared()
        for file in appeared:
            file.move_to_end()
        return appeared

    def copy(self) -> "Folder":
        """Return a second reader at the same positions."""
        copied = Folder(self._path, self._dyno)
        copied._files = {name: file.copy() for name, file in self._files.items()}
        return copied

    def fresh(self) -> list[LogLine]:
        """Return the lines written since the last read."""
        appeared = [line for file in self._appeared() for line in file.all()]
        found = map(parse_stored, by_time(appeared + [line for file in self._files.values() for line in file.fresh()]))
        return [line for line in found if line is not None]

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
        return self._dyno in {None, name, process_type(name)} or name in _OF_PLATFORM


class _LogFile:
    """One dyno's file and its older generations, which have numbers. The read position is an inode and an offset."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._fd: int | None = None
        self._offset = 0

    @property
    def dyno(self) -> str:
        """The name of the dyno."""
        return self._path.stem

    def move_to_end(self) -> None:
        """Move the read position to the end of the last whole line."""
        self._open(self._path)
        if self._fd is not None:
            self._offset = end_of_lines(self._fd)

    def backwards(self, scan: Scan) -> Iterator[str]:
        """Yield the lines before the read position, newest first, without blocks of lines that have none that is wanted."""
        if self._fd is None:
            return
        yield from lines_before(self._fd, self._offset, scan)
        for path in self._before():
            with suppress(FileNotFoundError), path.open("rb") as file:
                yield from lines_before(file.fileno(), os.fstat(file.fileno()).st_size, scan)

    def forwards(self, scan: Scan) -> Iterator[str]:
        """Yield the lines before the read position, oldest first, as `backwards` does."""
        if self._fd is None:
            return
        # While some are read, others may be rotated, and their names be those of newer ones.
        for inode in reversed(list(_inodes(self._before()))):
            if file := self._reopened(inode):
                with file:
                    yield from lines_from(file.fileno(), os.fstat(file.fileno()).st_size, scan)
        yield from lines_from(self._fd, self._offset, scan)

    def copy(self) -> "_LogFile":
        """Return a second reader at the same position."""
        copied = _LogFile(self._path)
        copied._fd, copied._offset = None if self._fd is None else os.dup(self._fd), self._offset
        return copied

    def all(self) -> list[str]:
        """Return all lines of a file that just appeared."""
        self._open(self._path)
        return self.fresh()

    def fresh(self) -> list[str]:
        """Return the lines written since the last read, including those in files that were rotated meanwhile."""
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
        """Switch to the start of a generation, unless it was just rotated away."""
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
        return split(body[:end])

    def _older(self) -> Iterator[Path]:
        """Yield the older generations, newest first."""
        for number in count(1):
            path = self._path.with_name(f"{self._path.name}.{number}")
            if not path.exists():
                return
            yield path

    def _reopened(self, inode: int) -> BinaryIO | None:
        """Open a generation, whatever its name is now; None if it was deleted."""
        for path in (self._path, *self._older()):
            with suppress(FileNotFoundError):
                file = path.open("rb")
                if os.fstat(file.fileno()).st_ino == inode:
                    return file
                file.close()
        return None

    def _before(self) -> list[Path]:
        """Return the generations before the open one, newest first."""
        opened = os.fstat(self._fd) if self._fd is not None else None
        paths = [self._path, *self._older()]
        at = next((number for number, path in enumerate(paths) if opened and _is_at(opened, path)), len(paths))
        return paths[at + 1 :]

    def _newer(self) -> list[Path]:
        """Return the generations after the open one, oldest first."""
        opened = None if self._fd is None else os.fstat(self._fd)
        newer: list[Path] = []
        for path in chain([self._path], self._older()):
            if opened and _is_at(opened, path):
                break
            if path.exists():
                newer.append(path)
        return newer[::-1]


async def in_chunks(lines: Iterator[LogLine]) -> AsyncIterator[LogLine]:
    """Yield lines that are read in threads, some at a time."""
    while chunk := await asyncio.to_thread(lambda: list(islice(lines, CHUNK_LINES))):
        for line in chunk:
            yield line


def by_time(lines: Iterable[str]) -> list[str]:
    """Return lines in the order of their times."""
    return sorted(lines, key=lambda line: line.partition(" ")[0])


def _blocks(fd: int, offset: int) -> Iterator[bytes]:
    while block := os.pread(fd, BLOCK_BYTES, offset):
        yield block
        offset += len(block)


def _inodes(paths: Iterable[Path]) -> Iterator[int]:
    for path in paths:
        with suppress(FileNotFoundError):
            yield path.stat().st_ino


def _parsed(lines: Iterable[str], wanted: Matches) -> Iterator[LogLine]:
    """Yield those of stored lines that are wanted."""
    for line in lines:
        if (parsed := parse_stored(line)) and wanted(parsed):
            yield parsed


def _time(line: LogLine) -> datetime:
    return line.time


def _is_at(status: os.stat_result, path: Path) -> bool:
    """Whether `path` is still the open file."""
    try:
        return os.path.samestat(status, path.stat())
    except FileNotFoundError:
        return False


def _append(path: Path, lines: Sequence[LogLine], now: datetime, *, again: bool) -> None:
    """Append to a file that several processes write to. A full or old file is rotated first, under its lock. Raises OSError."""
    encoded = [f"{line}\n".encode(errors="replace") for line in lines]
    newest = max(line.time for line in lines)
    if not path.exists():
        path.parent.mkdir(mode=0o750, parents=True, exist_ok=True)
        _make_room(path.parent)
    while True:
        with _locked(path) as file:
            if file is None:
                continue
            block, size = b"".join(_unwritten(path, encoded) if again else encoded), os.fstat(file).st_size
            begun = time_at(os.pread(file, STAMP_LENGTH, 0))
            if not block:
                return
            if not size or (size + len(block) <= MAX_BYTES and not ends_file(begun, newest, now)):
                _write(file, block, size)
                return
            _rotate(path)
            _make_room(path.parent)


@contextmanager
def _locked(path: Path, flags: int = os.O_CREAT) -> Iterator[int | None]:
    """Open a file to append to, and lock it. Yields None if it was rotated meanwhile."""
    file = os.open(path, os.O_RDWR | os.O_APPEND | os.O_NOFOLLOW | flags, 0o640)
    try:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield file if _is_at(os.fstat(file), path) else None
    finally:
        os.close(file)


def _write(file: int, block: bytes, size: int) -> None:
    """Write a whole block or nothing. Raises OSError."""
    written = os.write(file, block)
    if written < len(block):
        os.ftruncate(file, size)
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def _unwritten(path: Path, lines: Sequence[bytes]) -> list[bytes]:
    """Return the lines that are in no generation of a file."""
    wanted, stored = frozenset(lines), Counter[bytes]()
    for each in _generations(path):
        with suppress(FileNotFoundError), each.open("rb") as file:
            stored.update(line for line in file if line in wanted)
    unwritten = []
    for line in lines:
        stored[line] -= 1
        if stored[line] < 0:
            unwritten.append(line)
    return unwritten


def _rotate(path: Path) -> None:
    found = _generations(path)
    kept = kept_files([status.st_size if (status := _status(each)) else 0 for each in found])
    for number in reversed(range(len(found))):
        # Another process deletes files that are older than the retention.
        with suppress(FileNotFoundError):
            if number < kept:
                found[number].replace(_generation(path, number + 1))
            else:
                found[number].unlink()


def _generation(path: Path, number: int) -> Path:
    return path.with_name(f"{path.name}.{number}") if number else path


def _generations(path: Path) -> list[Path]:
    """Return a log's files, the newest first."""
    return list(takewhile(Path.exists, (_generation(path, number) for number in range(2 * MAX_OLDER_FILES))))


def _oldest(folder: Path) -> datetime | None:
    """Return the first time in each log's oldest file, of all logs of a folder."""
    logs = [_generations(path) for path in folder.glob("*.log")]
    return min((time for files in logs if files and (time := _first_time(files[-1]))), default=None)


def _first_time(path: Path) -> datetime | None:
    try:
        with path.open("rb") as file:
            return time_at(file.read(STAMP_LENGTH))
    except FileNotFoundError:
        return None


def _drop(folder: Path, before: datetime) -> None:
    """Delete the files of a folder that were last written before a time, the oldest first."""
    with suppress(FileNotFoundError), os.scandir(folder) as entries:
        written = [(status.st_mtime, Path(entry.path)) for entry in entries if (status := _status(entry)) and stat.S_ISREG(status.st_mode)]
        for modified_at, path in sorted(written):
            if modified_at < before.timestamp():
                _drop_file(path, before)


def _drop_file(path: Path, before: datetime) -> None:
    """Delete a file unless another one has its name meanwhile: the launcher rotates without the lock."""
    aside = path.with_name(f".{path.name}.old")
    with suppress(FileNotFoundError), _locked(path, 0) as file:
        if file is None:
            return
        path.replace(aside)
        if aside.stat().st_mtime >= before.timestamp():
            # Unless there is a third one of that name.
            with suppress(FileExistsError):
                path.hardlink_to(aside)
        aside.unlink()


def _make_room(folder: Path) -> None:
    """Delete the least recently written files of an app, until there is room for one more."""
    found = [(status.st_mtime_ns, status.st_size, Path(entry.path)) for entry in os.scandir(folder) if (status := _status(entry))]
    left, total = len(found), sum(size for _, size, _ in found)
    for _, size, path in sorted(found):
        if left < MAX_APP_FILES and total + MAX_BYTES <= MAX_APP_BYTES:
            return
        path.unlink(missing_ok=True)
        left, total = left - 1, total - size


def _status(path: "os.DirEntry[str] | Path") -> os.stat_result | None:
    """Return a file's size and age, or None if it was deleted meanwhile."""
    try:
        return path.stat(follow_symlinks=False)
    except FileNotFoundError:
        return None
