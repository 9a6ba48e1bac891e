"""Pages of long lists, newest first: where one begins by its URL, and the URLs of its neighbours."""

from collections.abc import Sequence

from aiohttp import web

from skypanel.domain.errors import Invalid
from skypanel.domain.paging import PAGE_SIZE, Cursor, Page, Part, S, T, page_number, part

# How many people a page shows: each has two forms.
PEOPLE = 25


def cursor(request: web.Request) -> Cursor:
    """Return where a page begins, by its query. Raises Invalid."""
    before, after = (_number(request.query.get(name, "")) for name in ("before", "after"))
    return Cursor(before, after)


def neighbours(request: web.Request, shown: Page[T]) -> dict[str, str | None]:
    """Return the URLs of the newer and the older page, with the same filter; None at an end."""
    return {"newer": _url(request, "after", shown.newer), "older": _url(request, "before", shown.older)}


def numbered_part(request: web.Request, items: Sequence[S], size: int = PAGE_SIZE, name: str = "page") -> Part[S]:
    """Return the part of a list in memory that the URL asks for. The second list of a page has another `name` in the URL."""
    return part(items, number(request, name), size)


def number(request: web.Request, name: str = "page") -> int:
    """Return the number of the page that the URL asks for."""
    return page_number(request.query.get(name, ""))


def numbered(request: web.Request, shown: Part[object], name: str = "page") -> dict[str, str | None]:
    """Return the URLs of the pages before and after a numbered one, with the same filter; None at an end."""
    return {"before": _numbered(request, shown.previous, name), "after": _numbered(request, shown.next, name)}


def _numbered(request: web.Request, number: int | None, name: str) -> str | None:
    return None if number is None else str(request.rel_url.update_query({name: str(number)}))


def _url(request: web.Request, name: str, key: int | None) -> str | None:
    if key is None:
        return None
    kept = {other: value for other, value in request.query.items() if other not in {"before", "after"}}
    return str(request.rel_url.with_query(kept | {name: str(key)}))


def _number(text: str) -> int | None:
    if text and not (text.isascii() and text.isdigit() and len(text) <= 18):  # noqa: PLR2004 - a bigint
        raise Invalid("There is no such page.", "Go back to the first one.")
    return int(text) if text else None
