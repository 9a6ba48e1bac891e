"""The consoles that are open: how many there may be, and for how long."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from skypanel.domain.errors import Conflict
from skypanel.domain.ids import AccountId


@dataclass
class Consoles:
    """Counts the open consoles of each account.

    A console ends when nothing was typed or printed for `idle_s` seconds. Every `check_s` seconds its access is checked again. The browser
    has `opening_s` seconds to say what to run.
    """

    most: int = 50
    most_of_one: int = 5
    idle_s: float = 20 * 60.0
    check_s: float = 2.0
    opening_s: float = 10.0
    _open: Counter[AccountId] = field(default_factory=Counter)

    @contextmanager
    def counted(self, account_id: AccountId) -> Iterator[None]:
        """Count one more during the block. Raises Conflict at a limit."""
        if self._open[account_id] >= self.most_of_one:
            raise Conflict(f"You have {self.most_of_one} consoles open.", "Close one of them first.")
        if self._open.total() >= self.most:
            raise Conflict(f"This panel has {self.most} consoles open, as many as it can.", "Try again later, or use `skypanel run`.")
        self._open[account_id] += 1
        try:
            yield
        finally:
            self._open[account_id] -= 1
            if not self._open[account_id]:
                del self._open[account_id]
