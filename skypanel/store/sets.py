"""Reading of many in one statement, whose shape is the same however many there are."""

from collections.abc import Collection
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Uuid, any_, literal
from sqlalchemy.dialects.postgresql import ARRAY


def among(column: ColumnElement[UUID] | Any, ids: Collection[UUID]) -> ColumnElement[bool]:  # noqa: ANN401 - as columns of tables are
    """Whether a column's value is one of these ids."""
    return column == any_(literal(list(ids), ARRAY(Uuid)))
