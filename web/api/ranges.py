"""Pages of lists: the Range header (https://devcenter.heroku.com/articles/platform-api-reference#ranges)."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from skypanel.domain.errors import Invalid
from skypanel.domain.names import printable

DEFAULT_MAX = 200
LARGEST_MAX = 1000
# Matching the regular expression takes quadratic time in the header's length.
MAX_HEADER = 512
_RANGE = re.compile(
    r"(?P<field>[a-z_]*) *(?P<after>\]?)(?P<first>[^;,\[\]]*?)\.\.(?P<before>\[?)(?P<last>[^;,\[\]]*)(?P<rest>[;,].*)?", re.ASCII
)
_OPTION = re.compile(r"(?:max=(?P<max>[0-9]{1,9})|order=(?P<order>asc|desc))", re.ASCII)


class BadRange(Invalid):
    """A Range header that cannot be parsed."""


@dataclass(frozen=True)
class Range:
    """The requested page: in the order of `field`, between two of its values. An empty value is no bound."""

    field: str = ""
    first: str = ""
    last: str = ""
    after_first: bool = False
    before_last: bool = False
    max: int = DEFAULT_MAX
    is_descending: bool = False

    def next(self, field: str, last: object) -> str:
        """Return the Range header of the page after `last`."""
        order = ", order=desc" if self.is_descending else ""
        return f"{field} ]{last}..; max={self.max}{order}"


@dataclass(frozen=True)
class Page:
    """One page of a list. `next` is the Range of the next page, or None on the last one."""

    items: Sequence[Any]
    next: str | None = None


def parse(header: str) -> Range:
    """Parse a Range header; an empty one asks for the first page. Raises BadRange."""
    if not header.strip():
        return Range()
    match = _RANGE.fullmatch(header.strip()) if len(header) <= MAX_HEADER else None
    if match is None:
        raise BadRange(f"The range {printable(header)} is not valid.", "Write it like this: name ..; max=100, order=desc")
    found = Range(match["field"], match["first"].strip(), match["last"].strip(), bool(match["after"]), bool(match["before"]))
    for option in re.split(r"[;,\s]+", match["rest"] or ""):
        found = _with(found, option) if option else found
    return found


def paginate(items: Sequence[Any], requested: Range, default: str) -> Page:
    """Return a page of a list in memory. If its items cannot be sorted by the requested field, `default` replaces it."""
    by = requested.field if all(isinstance(_value(item, requested.field), str) for item in items) else default
    bounds = requested if by == requested.field else replace(requested, first="", last="", after_first=False, before_last=False)
    ordered = sorted((item for item in items if _is_within(str(_value(item, by)), bounds)), key=lambda item: str(_value(item, by)))
    if requested.is_descending:
        ordered.reverse()
    page = ordered[: requested.max]
    return Page(page, requested.next(by, _value(page[-1], by)) if page and len(ordered) > len(page) else None)


def cut(items: Sequence[Any], requested: Range, field: str) -> Page:
    """Return a page of items that were read in the order of `field`, from the page's first on. One item too many means there are more."""
    page = items[: requested.max]
    return Page(page, requested.next(field, _value(page[-1], field)) if len(items) > len(page) else None)


def _value(item: object, field: str) -> object:
    return None if field.startswith("_") else getattr(item, field, None)


def _is_within(value: str, requested: Range) -> bool:
    # In descending order, the first value is the upper bound.
    low, high, open_low, open_high = requested.first, requested.last, requested.after_first, requested.before_last
    if requested.is_descending:
        low, high, open_low, open_high = high, low, open_high, open_low
    return (not low or value > low or (value == low and not open_low)) and (not high or value < high or (value == high and not open_high))


def _with(found: Range, option: str) -> Range:
    match = _OPTION.fullmatch(option)
    if match is None:
        raise BadRange(
            f"The range has the option {printable(option)}, which is none.", "Valid options are max=100, order=asc and order=desc."
        )
    if match["order"]:
        return replace(found, is_descending=match["order"] == "desc")
    if not 1 <= int(match["max"]) <= LARGEST_MAX:
        raise BadRange(f"A page cannot have {match['max']} items.", f"Ask for 1 to {LARGEST_MAX}.")
    return replace(found, max=int(match["max"]))
