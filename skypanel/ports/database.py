"""The database."""

from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any, Protocol


class Connection(Protocol):
    """A database connection inside a transaction. `statement` is a SQLAlchemy Core statement, `values` are those of its bindparams.

    Rows come back as named tuples. Raises Unavailable when the database is gone, Conflict when
    a unique constraint is hit.
    """

    async def all(self, statement: Any, values: Mapping[str, Any] | None = None) -> Sequence[Any]: ...
    async def first(self, statement: Any, values: Mapping[str, Any] | None = None) -> Any | None: ...
    async def execute(self, statement: Any, values: Mapping[str, Any] | None = None) -> int:
        """Run a statement and return how many rows it touched."""
        ...


class Database(Protocol):
    def transaction(self) -> AbstractAsyncContextManager[Connection]:
        """Begin with the first statement of the block; commit at its end, roll back if it raises.

        That statement waits some seconds for a database that restarts, then raises Unavailable.
        """
        ...

    def autocommit(self) -> AbstractAsyncContextManager[Connection]:
        """As `transaction`, but each statement is one of its own, which saves a round trip: to read, or to write what may be written twice.

        It is where the database goes away in the middle of the first statement.
        """
        ...

    async def close(self) -> None: ...
