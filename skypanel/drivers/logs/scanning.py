"""Reads the lines of a log file block by block, and passes over blocks in which nothing is wanted without taking them apart."""

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass

from skypanel.domain.log import MAX_AHEAD, LogQuery
from skypanel.domain.terminal import clean
from skypanel.drivers.logs.matching import Matches, matcher

BLOCK_BYTES = 64 * 1024

_STAMPS = re.compile(rb"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}\+00:00", re.MULTILINE)
# A control sequence that is not a colour: `clean` removes it, so that what is around it becomes one word.
_SEQUENCE = re.compile(rb"\x1b(?!\[[0-9;:]{0,32}m)")


@dataclass(frozen=True)
class Scan:
    """A query, and what it wants."""

    query: LogQuery
    wanted: Matches

    def may_have(self, body: bytes) -> bool:
        """Whether a line of a block of whole lines can be wanted."""
        return self._has_words(body) and self._has_time(body)

    def may_be_in(self, fd: int) -> bool:
        """Whether a file can have lines of the wanted time: what is written later than a time is not older, but for a clock ahead."""
        begin = self.query.begin
        return begin is None or os.fstat(fd).st_mtime + MAX_AHEAD.total_seconds() >= begin.timestamp()

    def _has_words(self, body: bytes) -> bool:
        return self.wanted.may_be_in(body) or (b"\x1b" in body and _SEQUENCE.search(body) is not None)

    def _has_time(self, body: bytes) -> bool:
        # Clocks may have gone back between the lines.
        if not self.query.has_bounds:
            return True
        stamps = _STAMPS.findall(body)
        return bool(stamps) and self.query.spans(min(stamps).decode(), max(stamps).decode())


EVERYTHING = Scan(LogQuery(), matcher(LogQuery()))


def end_of_lines(fd: int) -> int:
    """Return the end of the last whole line."""
    size = os.fstat(fd).st_size
    return next((start + block.rfind(b"\n") + 1 for start, block in _blocks_before(fd, size) if b"\n" in block), 0)


def lines_before(fd: int, end: int, scan: Scan) -> Iterator[str]:
    """Yield the whole lines before an offset, the last first."""
    if not scan.may_be_in(fd):
        return
    rest: list[bytes] = []
    for start, block in _blocks_before(fd, end):
        # The first line of a block may begin in the block before.
        cut = block.find(b"\n") + 1 if start else 0
        if start and not cut:
            rest.append(block)
            continue
        body = b"".join([block[cut:], *reversed(rest)])
        rest = [block[:cut]]
        if scan.may_have(body):
            yield from reversed(split(body))


def lines_from(fd: int, end: int, scan: Scan) -> Iterator[str]:
    """Yield the whole lines before an offset, the first first."""
    if not scan.may_be_in(fd):
        return
    rest: list[bytes] = []
    for block in _blocks_until(fd, end):
        cut = block.rfind(b"\n") + 1
        if not cut:
            rest.append(block)
            continue
        body = b"".join([*rest, block[:cut]])
        rest = [block[cut:]]
        if scan.may_have(body):
            yield from split(body)


def split(body: bytes) -> list[str]:
    """Return whole lines, safe for a terminal."""
    return [clean(line) for line in body.decode(errors="replace").split("\n")[:-1]]


def _blocks_until(fd: int, end: int) -> Iterator[bytes]:
    offset = 0
    while offset < end and (block := os.pread(fd, min(BLOCK_BYTES, end - offset), offset)):
        yield block
        offset += len(block)


def _blocks_before(fd: int, end: int) -> Iterator[tuple[int, bytes]]:
    """Yield the blocks of a file before an offset, each with its own, the last first."""
    while end > 0:
        start = max(0, end - BLOCK_BYTES)
        yield start, os.pread(fd, end - start, start)
        end = start
