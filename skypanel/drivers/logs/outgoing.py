"""New lines of all apps' log files, in a bounded buffer on disk: files of at most some thousand lines, numbered in their order.

Which lines were taken is a position in each log file: its inode and an offset. Positions are saved after the lines, so that a process
which was killed in between takes some lines twice, and none is lost.
"""

import asyncio
import json
import os
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from itertools import count
from pathlib import Path
from typing import TypeVar
from uuid import UUID

from skypanel.domain.errors import Unavailable
from skypanel.domain.ids import AppId
from skypanel.domain.log import LogLine, parse_stored
from skypanel.domain.loki import Parcel
from skypanel.domain.terminal import clean
from skypanel.ports.outgoing import Collected

FOLDER = "outgoing"
POSITIONS = "positions.json"
MAX_BYTES = 256 * 1024**2
# What is taken of a log file at once, and what a file of the buffer has at most.
MAX_READ_BYTES = 1024**2
MAX_PARCEL_LINES = 2000

Place = tuple[int, int]
T = TypeVar("T")


class OutgoingFiles:
    """The buffer of the log files in a folder."""

    def __init__(self, logs: Path, max_bytes: int = MAX_BYTES) -> None:
        self._logs = logs
        self._folder = logs / FOLDER
        self._max_bytes = max_bytes
        self._places: dict[str, Place] | None = None

    async def collect(self) -> Collected:
        """Take new lines. Raises Unavailable."""
        return await _translated(self._collect)

    async def first(self) -> Parcel | None:
        """Return the oldest lines of the buffer. Raises Unavailable."""
        return await _translated(self._first)

    async def remove(self, parcel: Parcel) -> None:
        """Remove lines that have arrived. Raises Unavailable."""
        await _translated((self._folder / parcel.name).unlink, missing_ok=True)

    async def forget(self) -> None:
        """Empty the buffer, and take only lines from now on. Raises Unavailable."""
        await _translated(self._forget)

    def _collect(self) -> Collected:
        if self._places is None:
            self._places = self._read_places()
        is_first, known = self._places is None, self._places or {}
        taken: dict[AppId, list[LogLine]] = {}
        places: dict[str, Place] = {}
        for app_id, path in _log_files(self._logs):
            name = str(path.relative_to(self._logs))
            lines, place = _end(path) if is_first else _new_lines(path, known.get(name))
            taken.setdefault(app_id, []).extend(lines)
            places[name] = place
        dropped = self._write(taken)
        if is_first or places != known:
            self._save(places)
        self._places = places
        return Collected(sum(map(len, taken.values())), dropped)

    def _write(self, taken: Mapping[AppId, list[LogLine]]) -> Counter[AppId]:
        """Write lines into the buffer, and return how many were dropped for them."""
        stored = [f"{app_id} {line}" for app_id, lines in taken.items() for line in sorted(lines, key=lambda line: line.time)]
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        number = max((int(path.name) for path in _parcels(self._folder)), default=0)
        for begin, following in zip(range(0, len(stored), MAX_PARCEL_LINES), count(number + 1)):
            body = "".join(f"{line}\n" for line in stored[begin : begin + MAX_PARCEL_LINES])
            _replace(self._folder / f"{following:012}", body)
        return self._make_room() if stored else Counter()

    def _make_room(self) -> Counter[AppId]:
        dropped: Counter[AppId] = Counter()
        parcels = _parcels(self._folder)
        size = sum(path.stat().st_size for path in parcels)
        for path in parcels[:-1]:
            if size <= self._max_bytes:
                break
            size -= path.stat().st_size
            dropped.update({app_id: len(lines) for app_id, lines in _read(path).items()})
            path.unlink()
        return dropped

    def _first(self) -> Parcel | None:
        for path in _parcels(self._folder):
            if lines := _read(path):
                return Parcel(path.name, lines)
            path.unlink()
        return None

    def _forget(self) -> None:
        for path in _parcels(self._folder):
            path.unlink()
        (self._folder / POSITIONS).unlink(missing_ok=True)
        self._places = None

    def _read_places(self) -> dict[str, Place] | None:
        try:
            found = json.loads((self._folder / POSITIONS).read_text())
            return {name: (int(inode), int(offset)) for name, (inode, offset) in found.items()}
        except (FileNotFoundError, ValueError, TypeError, AttributeError):
            return None

    def _save(self, places: Mapping[str, Place]) -> None:
        _replace(self._folder / POSITIONS, json.dumps(places))


async def _translated(do: Callable[..., T], **options: object) -> T:
    try:
        return await asyncio.to_thread(do, **options)
    except OSError as error:
        raise Unavailable(f"Log lines cannot be buffered: {error.strerror}.", "Check the panel's disk.") from error


def _log_files(logs: Path) -> Iterator[tuple[AppId, Path]]:
    with os.scandir(logs) as folders:
        for folder in folders:
            with suppress(ValueError, FileNotFoundError, NotADirectoryError):
                app_id = AppId(UUID(folder.name))
                for path in sorted(Path(folder.path).glob("*.log")):
                    yield app_id, path


def _end(path: Path) -> tuple[list[LogLine], Place]:
    """Return the place after the last line of a file, without reading it."""
    status = path.stat()
    return [], (status.st_ino, status.st_size)


def _new_lines(path: Path, place: Place | None) -> tuple[list[LogLine], Place]:
    """Return the lines of a log after a place, and the place after them. If it was rotated, the rest of the older files comes first."""
    inode, offset = place or (0, 0)
    if place == _end(path)[1]:
        return [], place
    lines: list[LogLine] = []
    for each in _generations(path, inode):
        try:
            with each.open("rb") as file:
                status = os.fstat(file.fileno())
                found = status.st_ino
                # A new file may have the inode of a deleted one.
                begin = offset if found == inode and offset <= status.st_size else 0
                read, end = _lines_from(file.fileno(), begin)
        except FileNotFoundError:
            continue
        lines += read
        inode, offset = found, end
        if end - begin > MAX_READ_BYTES // 2:
            break  # the rest is for the next time: other logs have their turn
    return lines, (inode, offset)


def _generations(path: Path, inode: int) -> list[Path]:
    """Return the files of a log from the one with an inode on, oldest first; if none has it, all."""
    older = [path]
    for number in count(1):
        if older[-1].exists() and older[-1].stat().st_ino == inode:
            break
        following = path.with_name(f"{path.name}.{number}")
        if not following.exists():
            break
        older.append(following)
    return older[::-1]


def _lines_from(descriptor: int, offset: int) -> tuple[list[LogLine], int]:
    body = os.pread(descriptor, MAX_READ_BYTES, offset)
    end = body.rfind(b"\n") + 1
    parsed = (parse_stored(clean(line)) for line in body[:end].decode(errors="replace").split("\n")[:-1])
    return [line for line in parsed if line], offset + end


def _parcels(folder: Path) -> list[Path]:
    return sorted(path for path in folder.glob("[0-9]*") if path.name.isdigit())


def _read(path: Path) -> dict[AppId, list[LogLine]]:
    lines: dict[AppId, list[LogLine]] = {}
    for each in path.read_text(errors="replace").split("\n"):
        app_id, _, stored = each.partition(" ")
        with suppress(ValueError):
            if line := parse_stored(stored):
                lines.setdefault(AppId(UUID(app_id)), []).append(line)
    return lines


def _replace(path: Path, body: str) -> None:
    """Write a file whole or not at all."""
    new = path.with_name(f"{path.name}.new")
    new.write_text(body, errors="replace")
    new.replace(path)
