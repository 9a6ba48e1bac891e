"""Queries for rows that must exist."""

from collections.abc import Mapping
from typing import Any

from skypanel.domain.errors import NotFound
from skypanel.ports.database import Connection

Row = Any  # a named tuple with a field for each column


async def one(conn: Connection, statement: Any) -> Row:  # noqa: ANN401 - as in ports
    """Return the row of a statement that always returns one."""
    row = await conn.first(statement)
    if row is None:
        raise RuntimeError("a statement that always returns a row returned none")
    return row


async def found(conn: Connection, statement: Any, noun: str, values: Mapping[str, Any] | None = None) -> Row:  # noqa: ANN401 - as in ports
    """Return the first row of a statement. Raises NotFound, which names the noun."""
    row = await conn.first(statement, values)
    if row is None:
        raise no_such(noun)
    return row


def no_such(noun: str) -> NotFound:
    """Return the error for a row that does not exist."""
    return NotFound(f"There is no such {noun}.")
