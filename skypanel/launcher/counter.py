"""A cyclic counter that survives restarts and repeats a number as late as possible."""

import secrets
import sys
from pathlib import Path

from skypanel.host.durable import write_whole

BLOCK = 64


class Counter:
    """Counts from 0 to below `size`, then starts at 0 again.

    The file holds the start of the next block. It is written once for each block, before the block is used.
    So a killed process skips the rest of its block, and no number is returned twice in a cycle.
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
        """Return the stored position, or a random one if there is none: the first numbers may be in use."""
        try:
            return int(self._file.read_text()) % self._size
        except (FileNotFoundError, ValueError):
            return secrets.randbelow(self._size)

    def _store(self, number: int) -> None:
        try:
            write_whole(self._file, f"{number}\n".encode())
        except OSError as error:
            # On a full disk, sandboxes must still start.
            sys.stderr.write(f"{self._file} cannot be written: {error.strerror}\n")
            number = (self._next + 1) % self._size
        self._stored = number
