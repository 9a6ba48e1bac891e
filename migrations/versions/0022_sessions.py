"""What a list of sessions shows, and the addresses that accounts sign in from."""

from alembic import op

revision = "0022"
down_revision = "0021"

SESSIONS = """
ALTER TABLE paas_accounts ADD COLUMN signed_in_at timestamptz;
COMMENT ON COLUMN paas_accounts.signed_in_at IS 'The last sign-in; without one, the account is still an invitation.';
UPDATE paas_accounts a SET signed_in_at = created_at WHERE password_hash IS NOT NULL OR is_admin
    OR EXISTS (SELECT FROM paas_sessions s WHERE s.account_id = a.id)
    OR EXISTS (SELECT FROM paas_ssh_keys k WHERE k.account_id = a.id)
    OR EXISTS (SELECT FROM paas_tokens t WHERE t.account_id = a.id)
    OR EXISTS (SELECT FROM paas_audit_log l WHERE l.account_id = a.id);

ALTER TABLE paas_sessions
    ADD COLUMN id uuid NOT NULL DEFAULT gen_random_uuid() UNIQUE,
    ADD COLUMN browser text,
    ADD COLUMN address text,
    ADD COLUMN last_seen_at timestamptz NOT NULL DEFAULT clock_timestamp();

CREATE TABLE paas_known_addresses (
    account_id uuid NOT NULL REFERENCES paas_accounts ON DELETE CASCADE,
    address text NOT NULL,
    last_used_at timestamptz NOT NULL,
    PRIMARY KEY (account_id, address)
);
COMMENT ON TABLE paas_known_addresses IS 'An address, or a customer''s IPv6 network, from which an account signed in.';
"""


def upgrade() -> None:
    """Expand the schema. Whoever left a trace has signed in before."""
    op.execute(SESSIONS)
