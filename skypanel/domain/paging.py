"""Pages of long lists that are sorted by a growing number, newest first."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

PAGE_SIZE = 50
MAX_PAGE, MAX_DIGITS = 100_000, 9


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
S = TypeVar("S")
T_co = TypeVar("T_co", covariant=True)


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


@dataclass(frozen=True)
class Part(Generic[T_co]):
    """The part of a list that one numbered page shows, how long the whole list is, and how much of it a page has."""

    items: Sequence[T_co]
    number: int
    total: int
    size: int = PAGE_SIZE

    @property
    def last(self) -> int:
        """The number of the last page."""
        return max(1, -(-self.total // self.size))

    @property
    def previous(self) -> int | None:
        """The number of the page before, or None."""
        return self.number - 1 if self.number > 1 else None

    @property
    def next(self) -> int | None:
        """The number of the page after, or None."""
        return self.number + 1 if self.number < self.last else None


def part(items: Sequence[S], number: int, size: int = PAGE_SIZE) -> Part[S]:
    """Return the part of a list in memory that a numbered page shows."""
    return Part(items[(number - 1) * size : number * size], number, len(items), size)


def page_number(text: str) -> int:
    """Return the number of a page as a URL has it; what is no such number is the first page."""
    return min(int(text), MAX_PAGE) if text.isascii() and text.isdigit() and len(text) <= MAX_DIGITS and int(text) else 1
