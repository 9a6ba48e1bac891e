"""Log drains of apps."""

from alembic import op

revision = "0041"
down_revision = "0040"

TABLE = """
CREATE TABLE paas_log_drains (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    app_id uuid NOT NULL REFERENCES paas_applications ON DELETE CASCADE,
    account_id uuid REFERENCES paas_accounts ON DELETE SET NULL,
    url bytea NOT NULL,
    shown text NOT NULL,
    sent_until timestamptz NOT NULL DEFAULT clock_timestamp(),
    dropped bigint NOT NULL DEFAULT 0,
    error text,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    updated_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX paas_log_drains_app_id_idx ON paas_log_drains (app_id);
CREATE INDEX paas_log_drains_account_id_idx ON paas_log_drains (account_id);
COMMENT ON TABLE paas_log_drains IS 'A server that gets the log lines of an app. `shown` is its URL without secrets.';
COMMENT ON COLUMN paas_log_drains.url IS 'Encrypted, because it may contain a secret.';
COMMENT ON COLUMN paas_log_drains.sent_until IS 'The time of the last line that was sent. Sending continues after it.';
"""


def upgrade() -> None:
    """Expand the schema."""
    op.execute(TABLE)
