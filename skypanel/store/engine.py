"""The Database port: SQLAlchemy Core statements, compiled with the psycopg2 dialect and run by aiopg."""

import asyncio
from collections import namedtuple
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from functools import lru_cache
from typing import Any, cast

import aiopg
import psycopg2
from psycopg2 import errors, extensions
from sqlalchemy.dialects.postgresql.psycopg2 import PGDialect_psycopg2
from sqlalchemy.engine import Dialect
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.elements import ClauseElement
from sqlalchemy.sql.selectable import ReturnsRows
from sqlalchemy.types import TypeEngine

from skypanel.domain.errors import Conflict, Invalid, Unavailable
from skypanel.store.rows import Row

RESTART_PATIENCE_S = 20.0
RETRY_S = 0.1
STATEMENT_TIMEOUT_S = 60.0
ABANDONED_S = 1.0
MAX_CONNECTIONS = 5

_Value = Any  # whatever a column holds
_Processor = Callable[[_Value], _Value]

_DIALECT: Dialect = PGDialect_psycopg2(paramstyle="pyformat")  # type: ignore[no-untyped-call]


class PostgresTransaction:
    """A connection inside a transaction; ports.Connection says what its methods do."""

    def __init__(self, connection: aiopg.Connection) -> None:
        self._connection = connection

    async def all(self, statement: ClauseElement) -> Sequence[Row]:
        """Return every row of a statement as a named tuple."""
        async with self._executed(statement) as cursor:
            return _rows(statement, cursor.description, cursor.raw.fetchall())

    async def first(self, statement: ClauseElement) -> Row | None:
        """Return the first row, or None where there is none."""
        async with self._executed(statement) as cursor:
            row = cursor.raw.fetchone()
            return None if row is None else _rows(statement, cursor.description, [row])[0]

    async def execute(self, statement: ClauseElement) -> int:
        """Run a statement and return how many rows it touched."""
        async with self._executed(statement) as cursor:
            return int(cursor.rowcount)

    @asynccontextmanager
    async def _executed(self, statement: ClauseElement) -> AsyncIterator[aiopg.Cursor]:
        sql, parameters = _compile(statement)
        with _translated(self._connection):
            async with self._connection.cursor() as cursor:
                await _run(cursor, sql, parameters)
                yield cursor


class Postgres:
    """A small pool of connections, opened at the first transaction in the event loop that asks for it.

    `dsn` is libpq's: a URI or keywords and values
    (https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-CONNSTRING).
    """

    def __init__(self, dsn: str, *, patience_s: float = RESTART_PATIENCE_S) -> None:
        self._dsn = _watched(dsn)
        self._patience_s = patience_s
        self._pool: aiopg.Pool | None = None
        self._opening = asyncio.Lock()
        # First come, first served: aiopg's pool puts who was overtaken at the end of its queue again.
        self._turns = asyncio.Semaphore(MAX_CONNECTIONS)

    def transaction(self) -> AbstractAsyncContextManager[PostgresTransaction]:
        """Begin; commit at the end of the block, roll back if it raises."""
        return self._transaction()

    async def close(self) -> None:
        """Close every connection; the next transaction opens new ones."""
        if self._pool is not None:
            pool, self._pool = self._pool, None
            pool.close()
            await pool.wait_closed()

    @asynccontextmanager
    async def _transaction(self) -> AsyncIterator[PostgresTransaction]:
        async with self._turn():
            pool, connection = await self._begun()
            try:
                yield PostgresTransaction(connection)
                with _translated(connection):
                    await _commit(connection)
            except BaseException:
                await _roll_back(connection)
                raise
            finally:
                await _release(pool, connection)

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

    async def _begun(self) -> tuple[aiopg.Pool, aiopg.Connection]:
        """Return a connection that lives, as its BEGIN shows; a server that restarts is waited for."""
        refusal: psycopg2.Error | None = None
        try:
            async with asyncio.timeout(self._patience_s):
                while True:
                    try:
                        return await self._begin()
                    except psycopg2.Error as error:
                        refusal = error
                    await asyncio.sleep(RETRY_S)
        except TimeoutError as error:
            raise _unavailable() from refusal or error

    async def _begin(self) -> tuple[aiopg.Pool, aiopg.Connection]:
        cancellations = _cancellations()
        pool = await self._opened()
        connection = await pool.acquire()
        try:
            _check_cancelled(cancellations)
            await _command(connection, "BEGIN")
        except BaseException:
            await _release(pool, connection)
            raise
        return pool, connection

    async def _opened(self) -> aiopg.Pool:
        async with self._opening:
            if self._pool is None:
                self._pool = await aiopg.create_pool(
                    self._dsn, minsize=1, maxsize=MAX_CONNECTIONS, timeout=STATEMENT_TIMEOUT_S, enable_hstore=False
                )
            return self._pool


def _watched(dsn: str) -> str:
    """Have the server end what a client began and left, as a cancelled task does: its locks would stay."""
    options = extensions.parse_dsn(dsn).get("options", "")
    return str(extensions.make_dsn(dsn, options=f"{options} -c client_connection_check_interval={ABANDONED_S * 1000:.0f}"))


async def _run(cursor: aiopg.Cursor, sql: str, parameters: Mapping[str, Any] | None = None) -> None:
    cancellations = _cancellations()
    try:
        await cursor.execute(sql, parameters)
    except ValueError as error:
        # psycopg2 refuses NUL and lone surrogates before they are sent.
        raise Invalid("A text holds a character that cannot be stored.") from error
    except asyncio.CancelledError as error:
        if _cancellations() > cancellations:
            raise
        # aiopg reports a statement that the server cancelled as if this task had been cancelled.
        raise Unavailable("The database stopped a statement.", "Try again.") from error
    _check_cancelled(cancellations)


def _check_cancelled(before: int) -> None:
    """Raise the cancellation that asyncio.wait_for, which aiopg uses, loses when the answer comes along with it.

    Python 3.12 mended that (https://github.com/python/cpython/issues/86296).
    """
    if _cancellations() > before:
        raise asyncio.CancelledError


def _cancellations() -> int:
    task = asyncio.current_task()
    return task.cancelling() if task else 0


async def _command(connection: aiopg.Connection, sql: str) -> None:
    async with connection.cursor() as cursor:
        await _run(cursor, sql)


async def _commit(connection: aiopg.Connection) -> None:
    if connection.raw.get_transaction_status() == extensions.TRANSACTION_STATUS_INERROR:
        # Postgres would answer COMMIT with a silent rollback.
        raise RuntimeError("A statement of this transaction failed and its error was swallowed: nothing can be committed.")
    await _command(connection, "COMMIT")


async def _roll_back(connection: aiopg.Connection) -> None:
    """Leave nothing of the transaction; a connection that cannot be rolled back is closed."""
    try:
        if not connection.closed and connection.raw.get_transaction_status() in _OPEN:
            await _command(connection, "ROLLBACK")
    except (psycopg2.Error, TimeoutError, Unavailable):
        connection.close()


async def _release(pool: aiopg.Pool, connection: aiopg.Connection) -> None:
    """Give a connection back; one in the middle of anything is closed, so that the pool drops it."""
    if not connection.closed and connection.raw.get_transaction_status() != extensions.TRANSACTION_STATUS_IDLE:
        connection.close()
    await pool.release(connection)


_OPEN = {extensions.TRANSACTION_STATUS_INTRANS, extensions.TRANSACTION_STATUS_INERROR}


def _compile(statement: ClauseElement) -> tuple[str, dict[str, Any]]:
    """Return a statement's SQL and the parameters as psycopg2 wants them."""
    compiled = cast("SQLCompiler", statement.compile(dialect=_DIALECT))
    state = compiled.construct_expanded_state()
    processors = {name: _bind_processor(bind.type) for name, bind in compiled.binds.items()} | dict(state.processors)
    return state.statement, {name: _processed(processors.get(name), value) for name, value in state.parameters.items()}


def _rows(statement: ClauseElement, description: Sequence[Any] | None, rows: Sequence[Sequence[_Value]]) -> Sequence[Row]:
    found = description or ()
    row_type = _row_type(tuple(column.name for column in found))
    columns = tuple(statement.exported_columns) if isinstance(statement, ReturnsRows) else ()
    if not columns:
        return [row_type._make(row) for row in rows]
    readers = [_result_processor(column.type, result.type_code) for column, result in zip(columns, found, strict=True)]
    return [row_type._make(map(_processed, readers, row)) for row in rows]


def _processed(processor: _Processor | None, value: _Value) -> _Value:
    return value if processor is None else processor(value)


def _bind_processor(column_type: TypeEngine[_Value]) -> _Processor | None:
    return column_type.dialect_impl(_DIALECT).bind_processor(_DIALECT)


def _result_processor(column_type: TypeEngine[_Value], type_code: int) -> _Processor | None:
    return column_type.dialect_impl(_DIALECT).result_processor(_DIALECT, type_code)


@lru_cache(maxsize=256)
def _row_type(names: tuple[str, ...]) -> type[Row]:
    return namedtuple("Row", names, rename=True)  # noqa: PYI024 - its fields are known when the statement is


@contextmanager
def _translated(connection: aiopg.Connection) -> Iterator[None]:
    """Turn what psycopg2 raises into the domain's errors."""
    try:
        yield
    except errors.UniqueViolation as error:
        raise Conflict("There is one of that name already.", "Choose another.") from error
    except (errors.ForeignKeyViolation, errors.RestrictViolation) as error:
        raise Conflict("What this belongs to is gone, or something still needs it.", "Look again, then try again.") from error
    except errors.CheckViolation as error:
        raise Invalid("A value is outside of what is allowed.") from error
    except extensions.TransactionRollbackError as error:
        raise Conflict("Something else changed this at the same moment.", "Try again.") from error
    except psycopg2.DataError as error:
        raise Invalid("A value cannot be stored.") from error
    except (psycopg2.OperationalError, psycopg2.InterfaceError, TimeoutError) as error:
        raise _unavailable() from error
    except psycopg2.DatabaseError as error:
        # A server that goes away in the middle of an answer has no error class of its own.
        if connection.closed:
            raise _unavailable() from error
        raise


def _unavailable() -> Unavailable:
    return Unavailable("The database does not answer.", "Try again in a moment.")
