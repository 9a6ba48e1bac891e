"""Dynos that the agents of their nodes are to stop."""

from alembic import op

revision = "0008"
down_revision = "0007"

STOP_ORDERS = """
CREATE TABLE paas_stop_orders (
    node_id uuid NOT NULL REFERENCES paas_nodes ON DELETE CASCADE,
    container text NOT NULL CHECK (container ~ '^[0-9a-f]{64}$'),
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (node_id, container)
);
CREATE INDEX paas_stop_orders_created_at_idx ON paas_stop_orders (created_at);
"""


def upgrade() -> None:
    """Expand the schema."""
    op.execute(STOP_ORDERS)
