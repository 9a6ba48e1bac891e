"""The kinds of columns that the tables are made of."""

from enum import StrEnum
from typing import Any

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    DateTime,
    ForeignKey,
    Identity,
    Integer,
    MetaData,
    Text,
    Uuid,
    func,
    text,
)

metadata = MetaData(
    naming_convention={
        "pk": "%(table_name)s_pkey",
        "fk": "%(table_name)s_%(column_0_name)s_fkey",
        "uq": "%(table_name)s_%(column_0_N_name)s_key",
        "ix": "%(table_name)s_%(column_0_N_name)s_idx",
        "ck": "%(table_name)s_%(constraint_name)s_check",
    }
)

DIGEST = "^[0-9a-f]{64}$"


def identity() -> Column[Any]:
    """Return a random primary key."""
    return Column("id", Uuid, primary_key=True, server_default=func.gen_random_uuid())


def number(name: str, *, primary_key: bool = False, comment: str | None = None) -> Column[Any]:
    """Return a column that the database numbers automatically."""
    unique = not primary_key or None
    return Column(name, BigInteger, Identity(always=True), nullable=False, primary_key=primary_key, unique=unique, comment=comment)


def created_at() -> Column[Any]:
    """Return the column for a row's creation time."""
    # clock_timestamp(), unlike now(), differs within a transaction, so its rows keep their order.
    return Column("created_at", DateTime(timezone=True), nullable=False, server_default=func.clock_timestamp())


def time(name: str, *, nullable: bool = True, comment: str | None = None) -> Column[Any]:
    """Return a column for a point in time."""
    return Column(name, DateTime(timezone=True), nullable=nullable, comment=comment)


def string(name: str, *, nullable: bool = False) -> Column[Any]:
    """Return a column of text."""
    return Column(name, Text, nullable=nullable)


def reference(
    name: str, table: str, on_delete: str, *, nullable: bool = False, primary_key: bool = False, index: bool = True
) -> Column[Any]:
    """Return a foreign key; `index` is False if another index begins with the column."""
    key = ForeignKey(f"{table}.id", ondelete=on_delete)
    return Column(name, Uuid, key, nullable=nullable, primary_key=primary_key, index=index or None)


def account(on_delete: str = "SET NULL", *, primary_key: bool = False, index: bool = True) -> Column[Any]:
    """Return the reference to the account that owns the row (CASCADE) or caused it (SET NULL)."""
    return reference("account_id", "paas_accounts", on_delete, nullable=on_delete == "SET NULL", primary_key=primary_key, index=index)


def app(*, primary_key: bool = False, index: bool = True) -> Column[Any]:
    """Return the reference to the app that the row belongs to."""
    return reference("app_id", "paas_applications", "CASCADE", primary_key=primary_key, index=index)


def one_of(column: str, choices: type[StrEnum]) -> CheckConstraint:
    """Allow only the values of an enumeration."""
    return CheckConstraint(Column(column, Text).in_(list(choices)), name=column)


def matches(column: str, pattern: str) -> CheckConstraint:
    """Allow only what a regular expression matches."""
    return CheckConstraint(Column(column, Text).op("~")(pattern), name=column)


def lease() -> tuple[Column[Any], ...]:
    """Return the columns that a claim uses."""
    return (
        Column(
            "attempt",
            Integer,
            nullable=False,
            server_default=text("0"),
            comment="Grows with each claim: a worker that lost its lease is told apart by it.",
        ),
        string("worker", nullable=True),
        time("lease_until"),
        time("started_at"),
        time("finished_at"),
    )
