"""Pages of long lists: no item is missed or shown twice, in either direction."""

from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from skypanel.domain.paging import MAX_PAGE, PAGE_SIZE, Cursor, Page, Part, page, page_number, part


@dataclass(frozen=True)
class Item:
    id: int


def found(items, cursor, limit):
    """What the store finds: the nearest items in the direction of the cursor, newest first."""
    if cursor.after is not None:
        return sorted((item for item in items if item.id > cursor.after), key=lambda item: item.id)[:limit][::-1]
    return [item for item in items if cursor.before is None or item.id < cursor.before][:limit]


@given(st.sets(st.integers(1, 1000), max_size=40), st.integers(1, 7))
def test_walking_there_and_back_shows_all(ids, size):
    items = [Item(number) for number in sorted(ids, reverse=True)]
    shown, cursor, last = [], Cursor(), None
    while cursor:
        last = page(found(items, cursor, size + 1), cursor, size)
        shown += last.items
        cursor = Cursor(before=last.older) if last.older is not None else None
    assert shown == items
    back = list(last.items)
    while last.newer is not None:
        cursor = Cursor(after=last.newer)
        last = page(found(items, cursor, size + 1), cursor, size)
        back = [*last.items, *back]
    assert back == items


@pytest.mark.parametrize("cursor", [Cursor(), Cursor(before=1), Cursor(after=9)])
def test_an_empty_page_leads_nowhere(cursor):
    assert page([], cursor) == Page([])


@pytest.mark.parametrize(
    ("total", "number", "last", "previous", "following"),
    [(0, 1, 1, None, None), (50, 1, 1, None, None), (51, 1, 2, None, 2), (120, 2, 3, 1, 3)],
)
def test_numbered_pages_lead_in_both_directions(total, number, last, previous, following):
    part = Part([], number, total)
    assert (part.last, part.previous, part.next) == (last, previous, following)


@pytest.mark.parametrize(
    ("text", "number"), [("", 1), ("0", 1), ("-1", 1), ("2", 2), ("x", 1), ("1" * 10, 1), ("9" * 9, MAX_PAGE), ("²", 1)]
)
def test_the_number_of_a_page(text, number):
    assert page_number(text) == number


def test_the_parts_of_a_list_in_memory_are_all_of_it():
    items = list(range(2 * PAGE_SIZE + 1))
    shown, number = [], 1
    while number:
        shown += part(items, number).items
        number = part(items, number).next
    assert shown == items
    assert (part(items, 1, 30).items, part(items, 1, 30).last) == (items[:30], 4)
    assert part(items, 99) == Part([], 99, len(items))
