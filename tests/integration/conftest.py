from tests.postgres_fixture import database, dsn, postgres
from tests.valkey_fixture import valkey
from tests.web_fixture import admin, client, dashboard, fault, new_client, stage

__all__ = ["admin", "client", "dashboard", "database", "dsn", "fault", "new_client", "postgres", "stage", "valkey"]
