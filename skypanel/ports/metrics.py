"""What dynos use."""

from collections.abc import Sequence
from typing import Protocol

from skypanel.domain.report import DynoUse


class Metrics(Protocol):
    async def measure(self) -> Sequence[DynoUse]:
        """Return what the dynos of this machine use, without one-off dynos.

        Rates are averages since the last call. A dyno that the last call did not find has none yet, and is left out. Raises Unavailable.
        """
        ...
