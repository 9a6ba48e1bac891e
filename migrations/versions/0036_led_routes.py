"""An index of the routes that lead somewhere, which the proxy's poll and reconciliation read: apps at rest have none."""

from alembic import op

revision = "0036"
down_revision = "0035"

INDEX = "CREATE INDEX paas_routes_led_idx ON paas_routes (app_id) WHERE cardinality(endpoints) > 0"


def upgrade() -> None:
    """Expand the schema."""
    op.execute(INDEX)
