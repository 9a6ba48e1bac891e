"""The panel's own processes."""

from collections.abc import Sequence
from typing import Protocol

from skypanel.domain.monitoring import ProcessUse


class Processes(Protocol):
    async def measure(self) -> Sequence[ProcessUse]:
        """Return what the panel's processes on this machine use, in order of name; nothing where they are not the panel's own."""
        ...
