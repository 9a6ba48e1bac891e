"""A spool: lines are on disk before they go anywhere else. Line n of an attempt is the file's nth line."""

import logging
import os
import re
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, unquote

from skypanel.domain.errors import Unavailable

_NAME = re.compile(r"(?P<stream>.+)\.(?P<attempt>\d+)")

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Leftover:
    """A spool that was found in the directory."""

    path: Path
    stream: str
    attempt: int


class Spool:
    """One attempt's lines. They survive the death of the process, but not a power failure."""

    def __init__(self, directory: Path, stream: str, attempt: int) -> None:
        self.path = directory / f"{quote(stream, safe='')}.{attempt}"
        self.size_bytes = 0
        self.count = 0
        self._broken = False
        try:
            directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._fd = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o600)
        except OSError as error:
            raise Unavailable(f"The panel cannot spool output: {error.strerror}.", "Check its disk, then try again.") from error

    def append(self, text: str) -> None:
        """Append a line. On a full disk it is dropped, because the job itself reports that.

        It blocks: the page cache takes microseconds, less than a thread would cost.
        """
        if self._broken:
            return
        record = f"{text}\n".encode()
        try:
            written = os.pwrite(self._fd, record, self.size_bytes)
        except OSError:
            log.exception("%s: its lines are dropped from here on", self.path)
            written = 0
        if written < len(record):
            self._broken = True
            return
        self.size_bytes += len(record)
        self.count += 1

    def read(self, offset: int, max_bytes: int) -> tuple[list[str], int]:
        """Return whole lines from `offset` on, at least one if there is any, and the offset of the next line."""
        body = os.pread(self._fd, min(max_bytes, self.size_bytes - offset), offset)
        end = body.rfind(b"\n") + 1
        return body[:end].decode().split("\n")[:-1], offset + end

    def body(self, count: int) -> bytes:
        """Return the first `count` lines as the file contains them."""
        body = os.pread(self._fd, self.size_bytes, 0)
        return body if count >= self.count else b"".join(body.splitlines(keepends=True)[:count])

    def close(self) -> None:
        """Close the file, without deleting it."""
        os.close(self._fd)

    def remove(self) -> None:
        """Delete the file."""
        self.path.unlink(missing_ok=True)


def leftovers(directory: Path, stream: str | None = None, older_than_s: float = 0) -> Sequence[Leftover]:
    """Return the spools in a directory, of one stream or of all, that were last written at least `older_than_s` ago."""
    return [found for found in _spools(directory) if stream in {None, found.stream} and _age_s(found.path) >= older_than_s]


def _spools(directory: Path) -> Iterator[Leftover]:
    for path in sorted(directory.glob("*")):
        if name := _NAME.fullmatch(path.name):
            yield Leftover(path, unquote(name["stream"]), int(name["attempt"]))


def _age_s(path: Path) -> float:
    try:
        return time.time() - path.stat().st_mtime
    except FileNotFoundError:
        return -1
