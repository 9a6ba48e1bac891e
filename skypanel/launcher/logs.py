"""Output of dynos in rotated log files, line by line."""

import asyncio
import os
import stat
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from skypanel.domain.ids import AppId
from skypanel.domain.log import MAX_BYTES, MAX_OLDER_FILES, STAMP_LENGTH, ends_file, kept_files, time_at
from skypanel.host.descriptors import chunks
from skypanel.host.lines import LineSplitter

# The last lines of each dyno stay in memory, to explain why it ended.
LAST_LINES = 120
LAST_CHARACTERS = 500
# Backpressure: above this rate a dyno waits for its own output, so that it cannot occupy the launcher.
MAX_BYTES_PER_S = 4 * 1024**2
# How far the times of lines may run ahead of the clock to be distinct.
MAX_AHEAD = timedelta(seconds=1)
MICROSECOND = timedelta(microseconds=1)


def _now() -> datetime:
    return datetime.now(UTC)


@dataclass
class LogFile:
    """The output of one dyno name: `<RFC 3339 time> app[web.1]: <text>`. The platform's own lines say skypanel instead of app.

    Each line has a time of its own: Loki keeps equal lines of the same time once.
    The folder belongs to the panel's user, who may replace its entries.
    So the file is opened relative to a descriptor, and only a plain file is written to.
    """

    folder: int
    name: str
    owner: int
    clock: Callable[[], datetime] = _now
    max_bytes: int = MAX_BYTES
    _file: int | None = field(default=None, init=False)
    _size: int = field(default=0, init=False)
    _begun: datetime | None = field(default=None, init=False)
    _last: datetime = field(default=datetime.min.replace(tzinfo=UTC), init=False)

    def app(self, lines: list[str]) -> list[str]:
        """Append lines that the dyno wrote. Returns them with time and source."""
        return self._add("app", lines)

    def system(self, text: str) -> list[str]:
        """Append a line about the dyno. Returns it with time and source."""
        return self._add("skypanel", [text])

    def close(self) -> None:
        """Close the descriptors."""
        self._close_file()
        os.close(self.folder)

    def _add(self, source: str, lines: list[str]) -> list[str]:
        if not lines:
            return []
        begin = self._next()
        self._last = begin + (len(lines) - 1) * MICROSECOND
        stamps = ((begin + number * MICROSECOND).isoformat(timespec="microseconds") for number in range(len(lines)))
        added = [f"{stamp} {source}[{self.name}]: {line}" for stamp, line in zip(stamps, lines, strict=True)]
        try:
            self._write("".join(f"{line}\n" for line in added).encode(), begin)
        except OSError:
            # a full disk loses lines; the dyno keeps running
            self._close_file()
        return added

    def _next(self) -> datetime:
        now, following = self.clock(), self._last + MICROSECOND
        return following if now < following <= now + MAX_AHEAD else now

    def _write(self, block: bytes, time: datetime) -> None:
        file = self._open() if self._file is None else self._file
        # What deletes old files relies on this: nothing is added to a file after FILE_SPAN.
        if self._size and (self._size + len(block) > self.max_bytes or ends_file(self._begun, time, time)):
            self._rotate()
            file = self._open()
        self._begun = self._begun if self._size else time
        self._size += os.write(file, block)

    def _file_name(self, number: int) -> str:
        return f"{self.name}.log" + (f".{number}" if number else "")

    def _open(self) -> int:
        flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK
        self._file = os.open(self._file_name(0), flags, 0o640, dir_fd=self.folder)
        status = os.fstat(self._file)
        if not stat.S_ISREG(status.st_mode) or status.st_nlink != 1:
            raise OSError(f"{self._file_name(0)} is not a plain file of this dyno's")
        os.fchown(self._file, self.owner, -1)
        self._size, self._begun = status.st_size, time_at(os.pread(self._file, STAMP_LENGTH, 0))
        return self._file

    def _rotate(self) -> None:
        self._close_file()
        sizes = list(self._sizes())
        kept = kept_files(sizes, self.max_bytes)
        for number in reversed(range(len(sizes))):
            # The panel deletes files that are older than the retention.
            with suppress(FileNotFoundError):
                if number < kept:
                    os.rename(self._file_name(number), self._file_name(number + 1), src_dir_fd=self.folder, dst_dir_fd=self.folder)
                else:
                    os.unlink(self._file_name(number), dir_fd=self.folder)

    def _sizes(self) -> Iterator[int]:
        """Yield the sizes of the files that exist, the newest first."""
        with suppress(FileNotFoundError):
            for number in range(2 * MAX_OLDER_FILES):
                yield os.stat(self._file_name(number), dir_fd=self.folder, follow_symlinks=False).st_size

    def _close_file(self) -> None:
        if self._file is not None:
            os.close(self._file)
            self._file = None


class Output:
    """The output of one dyno of one release. Its file may be shared with other dynos of that name; its last lines are its own."""

    def __init__(self, file: LogFile) -> None:
        self._file = file
        self._said: deque[str] = deque(maxlen=LAST_LINES)
        self._before: tuple[str, ...] = ()

    def app(self, lines: list[str]) -> None:
        """Add lines that the dyno wrote."""
        self._keep(self._file.app(lines))

    def system(self, text: str) -> None:
        """Add a line about the dyno."""
        self._keep(self._file.system(text))

    def end_try(self) -> None:
        """Mark the end of one run of the dyno. `last` keeps returning its lines."""
        self._before = tuple(self._said)
        self._said.clear()

    def last(self) -> Sequence[str]:
        """Return the last lines of the last run that ended, or of the first run if none has ended."""
        return self._before or tuple(self._said)

    def _keep(self, lines: Sequence[str]) -> None:
        self._said.extend(line[:LAST_CHARACTERS] for line in lines)


class LogFiles:
    """The open log files. Dynos of two releases with the same name share a file."""

    def __init__(self, root: Path, owner: int) -> None:
        self._root = root
        self._owner = owner
        self._open: dict[tuple[AppId, str], tuple[LogFile, int]] = {}

    def open(self, app_id: AppId, name: str) -> LogFile:
        """Return the log file of a dyno name. Each `open` needs one `close`. Raises OSError."""
        file, users = self._open.get((app_id, name)) or (LogFile(self._folder(app_id), name, self._owner), 0)
        self._open[app_id, name] = (file, users + 1)
        return file

    def close(self, app_id: AppId, name: str) -> None:
        """Release a dyno's log file; the last release closes it."""
        file, users = self._open.pop((app_id, name))
        if users > 1:
            self._open[app_id, name] = (file, users - 1)
        else:
            file.close()

    def _folder(self, app_id: AppId) -> int:
        path = self._root / str(app_id)
        path.mkdir(exist_ok=True)
        descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
        os.fchown(descriptor, self._owner, -1)
        os.fchmod(descriptor, 0o750)  # nosec B103 # the group may read the output of dynos, but not write
        return descriptor


async def copy(source: int, log: LogFile | Output) -> None:
    """Write what comes out of the pipe `source` to `log` until every writer has closed it."""
    splitter = LineSplitter()
    async for chunk in chunks(source):
        log.app(splitter.feed(chunk))
        await asyncio.sleep(len(chunk) / MAX_BYTES_PER_S)
    log.app(splitter.end())
