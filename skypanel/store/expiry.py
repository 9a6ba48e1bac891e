"""Rows that expire: links, sessions, uploads and tokens. The clock of the database decides for all processes."""

from sqlalchemy import ColumnElement, Table, func, or_


def valid(table: Table) -> ColumnElement[bool]:
    """Return the condition that a row has not expired; one without an expiry never does."""
    lasts: ColumnElement[bool] = table.c.expires_at > func.now()
    return or_(table.c.expires_at.is_(None), lasts) if table.c.expires_at.nullable else lasts


def expired(table: Table) -> ColumnElement[bool]:
    """Return the condition that a row has expired."""
    return table.c.expires_at <= func.now()
