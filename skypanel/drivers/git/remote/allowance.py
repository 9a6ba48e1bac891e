"""What a conversation with a server may take: so many bytes, and no time any more once it is cut off."""

from collections.abc import Callable
from threading import Lock

from skypanel.domain.errors import Invalid
from skypanel.domain.transcript import size


class Allowance:
    """Counts what comes, and ends what waits for more; safe to be used by two threads.

    `what` comes, and `hint` is what to do where that is more than `max_bytes`.
    """

    def __init__(self, max_bytes: int, what: str, hint: str) -> None:
        self._max_bytes = self._left = max_bytes
        self._what = what
        self._hint = hint
        self._lock = Lock()
        self._ends: list[Callable[[], None]] = []
        self._is_cut = False

    def take(self, chunk: bytes) -> bytes:
        """Count what came, and return it. Raises Invalid once it is too much."""
        self._left -= len(chunk)
        if self._left < 0:
            raise Invalid(f"{self._what} is larger than {size(self._max_bytes)}.", self._hint)
        return chunk

    def give_back(self, chunk: bytes) -> bytes:
        """Count what came no more, as it is counted elsewhere, and return it."""
        self._left += len(chunk)
        return chunk

    def hold(self, end: Callable[[], None]) -> None:
        """Have something end with the conversation, which may have ended already."""
        with self._lock:
            if not self._is_cut:
                self._ends.append(end)
                return
        end()

    def cut(self) -> None:
        """End all that is held; who waits for it gets an error."""
        with self._lock:
            self._is_cut, ends, self._ends = True, self._ends, []
        for end in reversed(ends):
            end()
