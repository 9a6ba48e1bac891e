from tests.fixtures.api import api, hello
from tests.fixtures.container import build_image
from tests.fixtures.docker import swarm
from tests.fixtures.postgres import database, dsn, postgres, staged
from tests.fixtures.receiver import ada, receiver, work
from tests.fixtures.s3 import s3
from tests.fixtures.stage import acme, app, elsewhere, main, publish, stage
from tests.fixtures.swarm import nodes
from tests.fixtures.valkey import valkey
from tests.fixtures.web import admin, client, dashboard, fault, findings, new_client

__all__ = [
    "acme", "ada", "admin", "api", "app", "build_image", "client", "dashboard", "database", "dsn", "elsewhere", "fault",
    "findings", "hello", "main", "new_client", "nodes", "postgres", "publish", "receiver", "s3", "stage", "staged", "swarm", "valkey",
    "work",
]  # fmt: skip
