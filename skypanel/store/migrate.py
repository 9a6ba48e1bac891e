"""Bring a database's schema up to date."""

import psycopg2
from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, create_engine, func, select
from sqlalchemy.exc import OperationalError
from sqlalchemy.pool import NullPool

from skypanel.domain.errors import Unavailable

VERSION_TABLE = "paas_migrations"


def upgrade(dsn: str) -> None:
    """Apply the migrations that a database lacks; blocks until done. Two at once are safe: one waits.

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
    """Return Alembic's configuration for a connection; the migrations, which know this package, are found as a package of that name."""
    config = Config(attributes={"connection": connection})
    config.set_main_option("script_location", "migrations:")
    config.set_main_option("path_separator", "os")
    return config


def _lock(connection: Connection) -> None:
    # The session's lock, not the transaction's: a migration may need several transactions.
    connection.execute(select(func.pg_advisory_lock(func.hashtextextended(VERSION_TABLE, 0))))
    connection.commit()
