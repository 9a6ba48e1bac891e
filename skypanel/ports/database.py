"""The database."""

from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any, Protocol


class Connection(Protocol):
    """A connection in a transaction. `statement` is a SQLAlchemy Core statement, `values` has the values of its bindparams.

    Rows are named tuples. Raises Unavailable if the database is not reachable, Conflict if a unique constraint is violated.
    """

    async def all(self, statement: Any, values: Mapping[str, Any] | None = None) -> Sequence[Any]: ...
    async def first(self, statement: Any, values: Mapping[str, Any] | None = None) -> Any | None: ...
    async def execute(self, statement: Any, values: Mapping[str, Any] | None = None) -> int:
        """Run a statement and return how many rows it affected."""
        ...


class Database(Protocol):
    def transaction(self) -> AbstractAsyncContextManager[Connection]:
        """Begin with the first statement of the block; commit at its end, or roll back if it raises.

        The first statement waits some seconds for a database that restarts, then raises Unavailable.
        """
        ...

    def autocommit(self) -> AbstractAsyncContextManager[Connection]:
        """As `transaction`, but each statement is its own transaction, which saves a round trip.

        Use it to read, or for writes that may happen twice: if the connection breaks during the first statement, that statement is
        repeated.
        """
        ...

    async def close(self) -> None: ...
