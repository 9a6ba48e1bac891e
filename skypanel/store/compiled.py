"""Statements as SQL, and the rows that they return: SQLAlchemy Core, compiled with the psycopg2 dialect.

To compile a statement takes ten times as long as the rest of its work, so each shape is compiled once. To build a statement, find its shape
and plan it takes ten times as long as to run it. So statements of every request are built once, with parameters, and prepared
(https://www.postgresql.org/docs/current/sql-prepare.html).
"""

from collections import namedtuple
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import count
from typing import Any, cast

from sqlalchemy.dialects.postgresql.psycopg2 import PGDialect_psycopg2
from sqlalchemy.engine import Dialect
from sqlalchemy.sql.cache_key import CacheKey
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.elements import ClauseElement
from sqlalchemy.sql.selectable import ReturnsRows
from sqlalchemy.types import TypeEngine

from skypanel.store.rows import Row

SHAPES = 1024

_Value = Any  # the value of any column
_Processor = Callable[[_Value], _Value]

_DIALECT: Dialect = PGDialect_psycopg2(paramstyle="pyformat")  # type: ignore[no-untyped-call]
_PREPARED: Dialect = PGDialect_psycopg2(paramstyle="numeric_dollar")  # type: ignore[no-untyped-call]
_numbers = count(1)


class Compiled:
    """What statements of one shape share: everything except their values."""

    def __init__(self, statement: ClauseElement, cache_key: CacheKey | None = None) -> None:
        # The same call as Connection.execute makes, without a connection.
        self._compiled = cast("SQLCompiler", statement.compile(dialect=_DIALECT, cache_key=cache_key))
        self._binders = _binders({name: bind.type for name, bind in self._compiled.binds.items()})
        self._types = tuple(column.type for column in statement.exported_columns) if isinstance(statement, ReturnsRows) else ()
        self._readers: Sequence[_Processor | None] = ()
        # Lists are expanded into the SQL itself.
        self._has_lists = bool(self._compiled.post_compile_params)

    def bound(self, given: Mapping[str, _Value] | None, cache_key: CacheKey | None = None) -> tuple[str, dict[str, _Value]]:
        """Return the SQL and its values in psycopg2's form: `given`, or else the values of the statement with this key."""
        values = self._compiled.construct_params(
            given, extracted_parameters=cache_key.bindparams if cache_key else None, escape_names=False
        )
        if not self._has_lists:
            return self._compiled.string, _processed(values, self._binders)
        state = self._compiled.construct_expanded_state(values)
        return state.statement, _processed(state.parameters, self._binders | dict(state.processors))

    def rows(self, description: Sequence[Any] | None, found: Sequence[Sequence[_Value]]) -> Sequence[Row]:
        """Convert psycopg2's rows to named tuples of Python values."""
        columns = description or ()
        make = _row_type(tuple(column.name for column in columns))._make
        if self._types and not self._readers:
            self._readers = [_reader(kind, column.type_code) for kind, column in zip(self._types, columns, strict=True)]
        readers = self._readers
        if not any(readers):
            return [make(row) for row in found]
        return [make([value if read is None else read(value) for read, value in zip(readers, row, strict=True)]) for row in found]


@dataclass(frozen=True)
class Bound:
    """A statement with its values in psycopg2's form. A connection must run `definition` once before `sql`."""

    compiled: Compiled
    sql: str
    parameters: Mapping[str, _Value]
    definition: str | None = None


def of(statement: ClauseElement, values: Mapping[str, _Value] | None = None) -> Bound:
    """Return a statement in the form that runs. With `values` it is prepared, so build such a statement only once."""
    if values is not None:
        compiled, definition, call = _prepared(statement)
        return Bound(compiled, call, compiled.bound(values)[1], definition)
    cache_key = statement._generate_cache_key()  # noqa: SLF001 - SQLAlchemy's own connections call it too
    compiled = Compiled(statement) if cache_key is None else _shared(_Shape(cache_key.key, statement, cache_key))
    return Bound(compiled, *compiled.bound(None, cache_key))


@lru_cache(maxsize=SHAPES)
def _prepared(statement: ClauseElement) -> tuple[Compiled, str, str]:
    """Return the compiled statement, the SQL that prepares it, and the SQL that executes it."""
    numbered = cast("SQLCompiler", statement.compile(dialect=_PREPARED))
    name, names = f"statement_{next(_numbers)}", numbered.positiontup or ()
    call = f"EXECUTE {name} ({', '.join(f'%({each})s' for each in names)})" if names else f"EXECUTE {name}"
    return Compiled(statement), f"PREPARE {name} AS {numbered.string}", call


@dataclass(frozen=True)
class _Shape:
    key: tuple[Any, ...]
    statement: ClauseElement = field(compare=False)
    cache_key: CacheKey = field(compare=False)


@lru_cache(maxsize=SHAPES)
def _shared(shape: _Shape) -> Compiled:
    return Compiled(shape.statement, shape.cache_key)


def _processed(values: Mapping[str, _Value], processors: Mapping[str, _Processor]) -> dict[str, _Value]:
    return {name: processors[name](value) if name in processors else value for name, value in values.items()}


def _binders(types: Mapping[str, TypeEngine[_Value]]) -> dict[str, _Processor]:
    found = {name: kind.dialect_impl(_DIALECT).bind_processor(_DIALECT) for name, kind in types.items()}
    return {name: bind for name, bind in found.items() if bind}


def _reader(kind: TypeEngine[_Value], type_code: int) -> _Processor | None:
    return kind.dialect_impl(_DIALECT).result_processor(_DIALECT, type_code)


@lru_cache(maxsize=256)
def _row_type(names: tuple[str, ...]) -> type[Row]:
    return namedtuple("Row", names, rename=True)  # noqa: PYI024 - the statement defines its fields at runtime
