"""Runs the migrations on the connection that skypanel.store.migrate hands over."""

from alembic import context

from skypanel.store.migrate import VERSION_TABLE
from skypanel.store.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    version_table=VERSION_TABLE,
    compare_type=True,
    compare_server_default=True,
)
with context.begin_transaction():
    context.run_migrations()
