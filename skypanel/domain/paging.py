"""Pages of long lists that are sorted by a growing number, newest first."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

PAGE_SIZE = 50


@dataclass(frozen=True)
class Cursor:
    """Where a page begins: below the id `before`, or above the id `after`. Without either it is the newest page."""

    before: int | None = None
    after: int | None = None


class Numbered(Protocol):
    """An item of such a list."""

    @property
    def id(self) -> int:
        """The number by which the list is sorted."""
        ...


T = TypeVar("T", bound=Numbered)


@dataclass(frozen=True)
class Page(Generic[T]):
    """One page, newest first. `older` and `newer` are the ids to continue from in each direction, or None at an end."""

    items: Sequence[T]
    newer: int | None = None
    older: int | None = None


def page(found: Sequence[T], cursor: Cursor, size: int = PAGE_SIZE) -> Page[T]:
    """Return a page of what a query found, newest first: up to `size` items, and one more if the list goes on."""
    has_more = len(found) > size
    if cursor.after is not None:
        items = found[-size:]
        has_newer, has_older = has_more, bool(items)
    else:
        items = found[:size]
        has_newer, has_older = cursor.before is not None and bool(items), has_more
    return Page(items, items[0].id if has_newer else None, items[-1].id if has_older else None)
