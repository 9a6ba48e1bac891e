"""Ids of what has no row of its own."""

from uuid import NAMESPACE_URL, UUID, uuid5


def derived_id(*parts: object) -> UUID:
    """Return an id that is always the same for the same parts."""
    return uuid5(NAMESPACE_URL, "/".join(map(str, parts)))
