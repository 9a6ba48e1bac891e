"""Numbers that go round and come back as late as possible, also over the lives of their user."""

import secrets
import sys
from pathlib import Path

from skypanel.host.durable import write_whole

BLOCK = 64


class Counter:
    """Counts from 0 to below `size` and on from 0.

    The file holds a number that is still to come: it is written once for a block of numbers, ahead of them, so
    that a life that was killed costs the rest of its block and gives out no number a second time.
    """

    def __init__(self, file: Path, size: int) -> None:
        self._file = file
        self._size = size
        self._next = self._stored = self._kept()

    def take(self) -> int:
        """Return the next number."""
        number = self._next
        if number == self._stored:
            self._store((number + min(BLOCK, self._size - 1)) % self._size)
        self._next = (number + 1) % self._size
        return number

    def _kept(self) -> int:
        """Return where to go on: anywhere if that is not known, as the first numbers may have been given out."""
        try:
            return int(self._file.read_text()) % self._size
        except (FileNotFoundError, ValueError):
            return secrets.randbelow(self._size)

    def _store(self, number: int) -> None:
        try:
            write_whole(self._file, f"{number}\n".encode())
        except OSError as error:
            # a full disk is no reason to start nothing any more
            sys.stderr.write(f"{self._file} cannot be written: {error.strerror}\n")
            number = (self._next + 1) % self._size
        self._stored = number
