from tests.api_fixture import api, hello
from tests.postgres_fixture import database, dsn, postgres
from tests.s3_fixture import s3
from tests.stage_fixture import app, elsewhere, main, publish, stage
from tests.valkey_fixture import valkey
from tests.web_fixture import admin, client, dashboard, fault, new_client

__all__ = [
    "admin", "api", "app", "client", "dashboard", "database", "dsn", "elsewhere", "fault", "hello", "main", "new_client", "postgres",
    "publish", "s3", "stage", "valkey",
]  # fmt: skip
