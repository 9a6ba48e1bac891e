"""The limit of a connection to a server: a number of bytes, and an end on demand."""

from collections.abc import Callable
from threading import Lock

from skypanel.domain.errors import Invalid
from skypanel.domain.transcript import size


class Allowance:
    """Counts received bytes, and cancels blocking work. Thread-safe for one reader and one other thread.

    `what` names the data and `hint` what to do, for the error when it exceeds `max_bytes`.
    """

    def __init__(self, max_bytes: int, what: str, hint: str) -> None:
        self._max_bytes = self._left = max_bytes
        self._what = what
        self._hint = hint
        self._lock = Lock()
        self._ends: list[Callable[[], None]] = []
        self._is_cut = False

    def take(self, chunk: bytes) -> bytes:
        """Count received bytes and return them. Raises Invalid if the limit is exceeded."""
        self._left -= len(chunk)
        if self._left < 0:
            raise Invalid(f"{self._what} is larger than {size(self._max_bytes)}.", self._hint)
        return chunk

    def give_back(self, chunk: bytes) -> bytes:
        """Return bytes and stop counting them, because another allowance counts them."""
        self._left += len(chunk)
        return chunk

    def hold(self, end: Callable[[], None]) -> None:
        """Register `end` to be called by `cut`. If the connection was cut already, call it now."""
        with self._lock:
            if not self._is_cut:
                self._ends.append(end)
                return
        end()

    def cut(self) -> None:
        """Call all registered functions, last first. Blocked reads then fail with an error."""
        with self._lock:
            self._is_cut, ends, self._ends = True, self._ends, []
        for end in reversed(ends):
            end()
