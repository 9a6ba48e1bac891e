from tests.fixtures.api import api, hello
from tests.fixtures.postgres import database, dsn, postgres
from tests.fixtures.s3 import s3
from tests.fixtures.stage import app, elsewhere, main, publish, stage
from tests.fixtures.valkey import valkey
from tests.fixtures.web import admin, client, dashboard, fault, new_client

__all__ = [
    "admin", "api", "app", "client", "dashboard", "database", "dsn", "elsewhere", "fault", "hello", "main", "new_client", "postgres",
    "publish", "s3", "stage", "valkey",
]  # fmt: skip
