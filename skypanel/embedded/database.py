"""Creates the panel's database on the embedded server."""

import aiopg
import psycopg2

from skypanel.domain.errors import Unavailable
from skypanel.settings import Settings


def server_dsn(settings: Settings) -> str:
    """Return the DSN of the database that every new server has."""
    return settings.database_dsn.replace("/skypanel?", "/postgres?", 1)


async def make_database(settings: Settings) -> None:
    """Create the panel's database if it does not exist. Raises Unavailable."""
    try:
        async with aiopg.connect(server_dsn(settings)) as connection, connection.cursor() as cursor:
            await cursor.execute("SELECT FROM pg_database WHERE datname = 'skypanel'")
            if not cursor.rowcount:
                await cursor.execute("CREATE DATABASE skypanel")
    except psycopg2.Error as error:
        raise Unavailable("The database server does not answer.", str(error).strip()) from error
