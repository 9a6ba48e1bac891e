"""Log lines on their way from the panel's files to a store elsewhere."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from skypanel.domain.ids import AppId
from skypanel.domain.loki import Parcel


@dataclass(frozen=True)
class Collected:
    """How many lines were taken from the files, and how many of each app were dropped for them, or before they could be taken."""

    lines: int
    dropped: Mapping[AppId, int]


class Outgoing(Protocol):
    async def collect(self) -> Collected:
        """Take the lines that were written since the last call, for the buffer on disk. If that is full, the oldest ones are dropped.

        Raises Unavailable if the disk refuses; the lines are taken later.
        """
        ...

    async def first(self) -> Parcel | None:
        """Return the oldest lines of the buffer. They stay there until `remove`."""
        ...

    async def remove(self, parcel: Parcel) -> None:
        """Remove lines that have arrived. If they were dropped meanwhile, do nothing."""
        ...

    async def forget(self) -> None:
        """Empty the buffer. The next call of `collect` takes only lines that are written from now on."""
        ...


class LogStore(Protocol):
    async def push(self, tenant: str, parcel: Parcel) -> None:
        """Store lines. Ones that are there already are not stored again.

        Raises Invalid if some are refused for good, though the others are stored; Unavailable if they may be taken later.
        """
        ...

    async def close(self) -> None:
        """Close all connections."""
        ...
