"""URLs that users type."""

from urllib.parse import SplitResult, urlsplit

from skypanel.domain.errors import Invalid


def split(text: str, error: Invalid) -> tuple[SplitResult, int | None]:
    """Return the parts of a URL, and its port if it has one. Raises `error` if it cannot be split."""
    try:
        found = urlsplit(text)
        port = found.port
    except ValueError:
        raise error from None
    return found, port
