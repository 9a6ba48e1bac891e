"""TXT records that the panel publishes for orders of certificates (DNS-01)."""

from alembic import op

revision = "0043"
down_revision = "0042"

RECORDS = """
CREATE TABLE paas_dns_records (
    name text NOT NULL,
    value text NOT NULL,
    order_name text NOT NULL,
    failures integer NOT NULL DEFAULT 0,
    next_attempt_at timestamptz NOT NULL,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    CONSTRAINT paas_dns_records_pkey PRIMARY KEY (name, value)
);
COMMENT ON TABLE paas_dns_records IS 'A TXT record that the panel has published, or is about to. The row goes once the record has.';
COMMENT ON COLUMN paas_dns_records.order_name IS 'The order of a certificate that needs it; empty for a test.';
COMMENT ON COLUMN paas_dns_records.next_attempt_at IS 'When it may be removed.';
CREATE INDEX paas_dns_records_next_attempt_at_idx ON paas_dns_records (next_attempt_at);

ALTER TABLE paas_acme_orders DROP CONSTRAINT paas_acme_orders_step_check;
ALTER TABLE paas_acme_orders ADD CONSTRAINT paas_acme_orders_step_check
    CHECK (step IN ('waiting', 'ordered', 'published', 'answered', 'finalized'));
"""


def upgrade() -> None:
    """Expand the schema."""
    op.execute(RECORDS)
