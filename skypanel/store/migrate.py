"""Upgrades the database schema."""

import psycopg2
from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, create_engine, func, select
from sqlalchemy.exc import OperationalError
from sqlalchemy.pool import NullPool

from skypanel.domain.errors import Unavailable

VERSION_TABLE = "paas_migrations"


def upgrade(dsn: str) -> None:
    """Apply the missing migrations; blocks until done. Concurrent calls are safe: the second one waits.

    `dsn` is libpq's, as in engine.Postgres. Raises Unavailable.
    """
    engine = create_engine("postgresql+psycopg2://", creator=lambda: psycopg2.connect(dsn), poolclass=NullPool)
    try:
        with engine.connect() as connection:
            _lock(connection)
            command.upgrade(configuration(connection), "head")
    except OperationalError as error:
        raise Unavailable("The database does not answer.", "Start it, then migrate again.") from error


def configuration(connection: Connection) -> Config:
    """Return Alembic's configuration for a connection.

    It refers to the migrations by package name, because they import this package.
    """
    config = Config(attributes={"connection": connection})
    config.set_main_option("script_location", "migrations:")
    config.set_main_option("path_separator", "os")
    return config


def _lock(connection: Connection) -> None:
    # A lock of the session, not of the transaction: a migration may need several transactions.
    connection.execute(select(func.pg_advisory_lock(func.hashtextextended(VERSION_TABLE, 0))))
    connection.commit()
