"""Conditions on sets of ids whose SQL has the same shape, whatever the size of the set."""

from collections.abc import Collection
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Uuid, any_, literal
from sqlalchemy.dialects.postgresql import ARRAY


def among(column: ColumnElement[UUID] | Any, ids: Collection[UUID]) -> ColumnElement[bool]:  # noqa: ANN401 - columns of tables are Any
    """Return the condition that a column's value is one of these ids."""
    return column == any_(literal(list(ids), ARRAY(Uuid)))
