"""Mails that wait, links that reset a password, and new addresses to confirm."""

from alembic import op

revision = "0028"
down_revision = "0027"

MAILS = """
CREATE TABLE paas_mails (
    id bigint PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
    secret bytea NOT NULL,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    due_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    attempts integer NOT NULL DEFAULT 0
);
CREATE INDEX paas_mails_due_at_idx ON paas_mails (due_at);
COMMENT ON TABLE paas_mails IS 'A mail that waits for a worker, encrypted.';

CREATE TABLE paas_reset_links (
    digest text PRIMARY KEY CHECK (digest ~ '^[0-9a-f]{64}$'),
    account_id uuid NOT NULL REFERENCES paas_accounts ON DELETE CASCADE,
    expires_at timestamptz NOT NULL,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX paas_reset_links_account_id_idx ON paas_reset_links (account_id);
COMMENT ON TABLE paas_reset_links IS 'A link that sets the password of an account once, until it expires.';

CREATE TABLE paas_address_changes (
    digest text PRIMARY KEY CHECK (digest ~ '^[0-9a-f]{64}$'),
    account_id uuid NOT NULL REFERENCES paas_accounts ON DELETE CASCADE,
    expires_at timestamptz NOT NULL,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    email text NOT NULL
);
CREATE INDEX paas_address_changes_account_id_idx ON paas_address_changes (account_id);
COMMENT ON TABLE paas_address_changes IS 'An address that an account gets once its owner confirms it, until it expires.';
"""


def upgrade() -> None:
    """Expand the schema."""
    op.execute(MAILS)
