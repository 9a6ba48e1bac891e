"""Passwords, and attempts to guess them."""

from alembic import op

revision = "0002"
down_revision = "0001"

PASSWORDS = """
ALTER TABLE paas_accounts ADD COLUMN password_hash text;

CREATE TABLE paas_sign_in_attempts (
    id bigint PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
    email_digest text NOT NULL CHECK (email_digest ~ '^[0-9a-f]{64}$'),
    address text NOT NULL,
    at timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX paas_sign_in_attempts_at_idx ON paas_sign_in_attempts (at);
CREATE INDEX paas_sign_in_attempts_email_digest_at_idx ON paas_sign_in_attempts (email_digest, at);
CREATE INDEX paas_sign_in_attempts_address_at_idx ON paas_sign_in_attempts (address, at);
"""


def upgrade() -> None:
    """Expand the schema."""
    op.execute(PASSWORDS)
