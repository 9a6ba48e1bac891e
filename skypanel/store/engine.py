"""The Database port: SQLAlchemy Core statements, which aiopg runs."""

import asyncio
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from typing import Any

import aiopg
import psycopg2
from psycopg2 import errors, extensions
from sqlalchemy.sql.elements import ClauseElement

from skypanel.domain.errors import Conflict, Invalid, Unavailable
from skypanel.retry import Backoff
from skypanel.store import compiled
from skypanel.store.rows import Row
from skypanel.tasks import cancellations

RESTART_PATIENCE_S = 20.0
RESTART = Backoff(first_s=0.1, longest_s=0.4)
STATEMENT_TIMEOUT_S = 60.0
ABANDONED_S = 1.0
MAX_CONNECTIONS = 5


@dataclass(frozen=True)
class _Session:
    """A connection with its only cursor."""

    connection: aiopg.Connection
    cursor: aiopg.Cursor
    prepared: set[str] = field(default_factory=set)

    async def run(self, statement: compiled.Bound, begin: str = "") -> None:
        """Run a statement. Each connection prepares it once."""
        with _translated(self.connection):
            if statement.definition and statement.definition not in self.prepared:
                await _run(self.cursor, statement.definition)
                self.prepared.add(statement.definition)
            await _run(self.cursor, begin + statement.sql, statement.parameters)

    @property
    def status(self) -> int:
        """The transaction status, as libpq defines it."""
        return extensions.TRANSACTION_STATUS_UNKNOWN if self.connection.closed else int(self.connection.raw.get_transaction_status())


class PostgresTransaction:
    """A transaction that begins with its first statement, or with an empty `begin`, one transaction for each statement.

    ports.Connection describes its methods.
    """

    def __init__(self, database: "Postgres", begin: str) -> None:
        self._database = database
        self._begin = begin
        self._session: _Session | None = None

    async def all(self, statement: ClauseElement, values: Mapping[str, Any] | None = None) -> Sequence[Row]:
        """Return every row of a statement as a named tuple."""
        shape, cursor = await self._executed(compiled.of(statement, values))
        return shape.rows(cursor.description, cursor.raw.fetchall())

    async def first(self, statement: ClauseElement, values: Mapping[str, Any] | None = None) -> Row | None:
        """Return the first row, or None."""
        shape, cursor = await self._executed(compiled.of(statement, values))
        row = cursor.raw.fetchone()
        return None if row is None else shape.rows(cursor.description, [row])[0]

    async def execute(self, statement: ClauseElement, values: Mapping[str, Any] | None = None) -> int:
        """Run a statement and return how many rows it affected."""
        _, cursor = await self._executed(compiled.of(statement, values))
        return int(cursor.rowcount)

    async def commit(self) -> None:
        """Commit; without a transaction this does nothing."""
        if self._session is None or self._session.status == extensions.TRANSACTION_STATUS_IDLE:
            return
        if self._session.status == extensions.TRANSACTION_STATUS_INERROR:
            # Postgres would answer COMMIT with a silent rollback.
            raise RuntimeError("A statement of this transaction failed and its error was swallowed: nothing can be committed.")
        with _translated(self._session.connection):
            await _run(self._session.cursor, "COMMIT")

    async def roll_back(self) -> None:
        """Roll back; if that fails, the connection is closed."""
        if self._session is None or self._session.status not in _OPEN:
            return
        try:
            await _run(self._session.cursor, "ROLLBACK")
        except (psycopg2.Error, TimeoutError, Unavailable):
            self._session.connection.close()

    def end(self) -> None:
        """Return the connection to the pool."""
        if self._session is not None:
            session, self._session = self._session, None
            self._database.give_back(session)

    async def _executed(self, statement: compiled.Bound) -> tuple[compiled.Compiled, aiopg.Cursor]:
        if self._session is None:
            self._session = await self._begun(statement)
        else:
            await self._session.run(statement)
        return statement.compiled, self._session.cursor

    async def _begun(self, statement: compiled.Bound) -> _Session:
        """Run the first statement. If the server restarts, repeat it until the deadline: a transaction cut off here leaves nothing."""
        deadline = self._database.deadline()
        return await RESTART.retry(lambda: self._begin_with(statement, deadline), Unavailable, self._is_cut_off, deadline - _now())

    async def _begin_with(self, statement: compiled.Bound, deadline: float) -> _Session:
        self.end()  # of an attempt that was cut off
        self._session = session = await self._database.borrow(deadline)
        try:
            await session.run(statement, self._begin)
        except Invalid:
            if session.status == extensions.TRANSACTION_STATUS_IDLE:
                self.end()  # psycopg2 did not send it, so no transaction has begun
            raise
        return session

    def _is_cut_off(self, _error: Exception) -> bool:
        return self._session is not None and self._session.connection.closed


class Postgres:
    """A small connection pool for the event loop that uses it first; it opens connections when they are needed.

    `dsn` is libpq's: a URI or keywords and values (https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-CONNSTRING).
    """

    def __init__(self, dsn: str, *, patience_s: float = RESTART_PATIENCE_S) -> None:
        self._dsn = _watched(dsn)
        self._patience_s = patience_s
        self._idle: list[_Session] = []
        # A semaphore serves waiters in order.
        self._turns = asyncio.Semaphore(MAX_CONNECTIONS)

    def transaction(self) -> AbstractAsyncContextManager[PostgresTransaction]:
        """Begin a transaction with the first statement; commit at the end of the block, or roll back if it raises."""
        return self._transaction("BEGIN; ")

    def autocommit(self) -> AbstractAsyncContextManager[PostgresTransaction]:
        """Run each statement of the block as its own transaction."""
        return self._transaction("")

    async def close(self) -> None:
        """Wait until every transaction has ended, then close all connections; later use opens new ones."""
        for _ in range(MAX_CONNECTIONS):
            await self._turns.acquire()
        while self._idle:
            await self._idle.pop().connection.close()
        for _ in range(MAX_CONNECTIONS):
            self._turns.release()

    def deadline(self) -> float:
        """Return until when to wait for a server that restarts, in the event loop's time."""
        return _now() + self._patience_s

    async def borrow(self, deadline: float) -> _Session:
        """Return a free connection. Raises Unavailable."""
        while self._idle:
            session = self._idle.pop()
            if not session.connection.closed:
                return session
        try:
            # The server's own refusal tells more than a timeout, so it gets a moment longer.
            async with asyncio.timeout_at(deadline + RESTART.longest_s):
                return await RESTART.retry(self._connected, psycopg2.Error, within_s=deadline - _now())
        except (psycopg2.Error, TimeoutError) as error:
            raise _unavailable() from error

    def give_back(self, session: _Session) -> None:
        """Return a connection to the pool; one that is not idle is closed."""
        if session.status == extensions.TRANSACTION_STATUS_IDLE:
            self._idle.append(session)
        else:
            session.connection.close()

    async def _connected(self) -> _Session:
        before = cancellations()
        connection = await aiopg.connect(self._dsn, timeout=STATEMENT_TIMEOUT_S, enable_hstore=False)
        try:
            _check_cancelled(before)
            return _Session(connection, await connection.cursor())
        except BaseException:
            connection.close()
            raise

    @asynccontextmanager
    async def _transaction(self, begin: str) -> AsyncIterator[PostgresTransaction]:
        async with self._turn():
            transaction = PostgresTransaction(self, begin)
            try:
                yield transaction
                await transaction.commit()
            except BaseException:
                await transaction.roll_back()
                raise
            finally:
                transaction.end()

    @asynccontextmanager
    async def _turn(self) -> AsyncIterator[None]:
        try:
            async with asyncio.timeout(self._patience_s):
                await self._turns.acquire()
        except TimeoutError as error:
            raise Unavailable("The database has too much to do.", "Try again in a moment.") from error
        try:
            yield
        finally:
            self._turns.release()


def _watched(dsn: str) -> str:
    """Have the server cancel statements of clients that are gone, such as cancelled tasks: otherwise their locks would stay."""
    options = extensions.parse_dsn(dsn).get("options", "")
    return str(extensions.make_dsn(dsn, options=f"{options} -c client_connection_check_interval={ABANDONED_S * 1000:.0f}"))


async def _run(cursor: aiopg.Cursor, sql: str, parameters: Mapping[str, Any] | None = None) -> None:
    before = cancellations()
    try:
        await cursor.execute(sql, parameters)
    except ValueError as error:
        # psycopg2 rejects NUL and lone surrogates before it sends anything.
        raise Invalid("A text holds a character that cannot be stored.") from error
    except asyncio.CancelledError as error:
        if cancellations() > before:
            raise
        # aiopg reports a statement that the server cancelled as if this task had been cancelled.
        raise Unavailable("The database stopped a statement.", "Try again.") from error
    _check_cancelled(before)


def _check_cancelled(before: int) -> None:
    """Raise a cancellation that asyncio.wait_for, which aiopg uses, loses if the answer arrives at the same moment.

    Python 3.12 fixed this (https://github.com/python/cpython/issues/86296).
    """
    if cancellations() > before:
        raise asyncio.CancelledError


def _now() -> float:
    return asyncio.get_running_loop().time()


_OPEN = {extensions.TRANSACTION_STATUS_INTRANS, extensions.TRANSACTION_STATUS_INERROR}


@contextmanager
def _translated(connection: aiopg.Connection) -> Iterator[None]:
    """Convert psycopg2's exceptions to the domain's errors."""
    try:
        yield
    except errors.UniqueViolation as error:
        raise Conflict("There is one of that name already.", "Choose another.") from error
    except (errors.ForeignKeyViolation, errors.RestrictViolation) as error:
        raise Conflict("The resource no longer exists, or something still needs it.", "Reload it, then try again.") from error
    except errors.CheckViolation as error:
        raise Invalid("A value is outside of what is allowed.") from error
    except extensions.TransactionRollbackError as error:
        raise Conflict("Something else changed this at the same moment.", "Try again.") from error
    except psycopg2.DataError as error:
        raise Invalid("A value cannot be stored.") from error
    except (psycopg2.OperationalError, psycopg2.InterfaceError, TimeoutError) as error:
        raise _unavailable() from error
    except psycopg2.DatabaseError as error:
        # psycopg2 has no specific class for a server that goes away during an answer.
        if connection.closed:
            raise _unavailable() from error
        raise


def _unavailable() -> Unavailable:
    return Unavailable("The database does not answer.", "Try again in a moment.")
