"""Conditions on sets of values whose SQL has the same shape, whatever the size of the set."""

from collections.abc import Collection
from typing import Any

from sqlalchemy import ColumnElement, any_, literal
from sqlalchemy.dialects.postgresql import ARRAY


def among(column: ColumnElement[Any] | Any, values: Collection[Any]) -> ColumnElement[bool]:  # noqa: ANN401 - columns of tables are Any
    """Return the condition that a column's value is one of these."""
    return column == any_(literal(list(values), ARRAY(column.type)))
