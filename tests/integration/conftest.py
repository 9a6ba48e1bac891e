from tests.api_fixture import api, hello
from tests.postgres_fixture import database, dsn, postgres
from tests.s3_fixture import s3
from tests.valkey_fixture import valkey
from tests.web_fixture import admin, client, dashboard, fault, new_client, stage

__all__ = ["admin", "api", "client", "dashboard", "database", "dsn", "fault", "hello", "new_client", "postgres", "s3", "stage", "valkey"]
