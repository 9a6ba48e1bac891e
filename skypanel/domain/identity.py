"""Deterministic ids for things without a row in the database."""

from uuid import NAMESPACE_URL, UUID, uuid5


def derived_id(*parts: object) -> UUID:
    """Return the same id whenever the parts are the same."""
    return uuid5(NAMESPACE_URL, "/".join(map(str, parts)))
