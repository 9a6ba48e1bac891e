from tests.postgres_fixture import database, dsn, postgres
from tests.valkey_fixture import valkey

__all__ = ["database", "dsn", "postgres", "valkey"]
