"""Two-factor sign-in and passkeys."""

from alembic import op

revision = "0029"
down_revision = "0028"

TWO_FACTOR = """
CREATE TABLE paas_totp_secrets (
    account_id uuid PRIMARY KEY REFERENCES paas_accounts ON DELETE CASCADE,
    secret bytea NOT NULL,
    last_step bigint NOT NULL DEFAULT 0,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    confirmed_at timestamptz
);
COMMENT ON COLUMN paas_totp_secrets.last_step IS 'Codes until this time step are used up.';
COMMENT ON TABLE paas_totp_secrets IS
    'An encrypted secret by which an app makes codes; sign-in asks for them once it is confirmed.';

CREATE TABLE paas_recovery_codes (
    account_id uuid NOT NULL REFERENCES paas_accounts ON DELETE CASCADE,
    digest text NOT NULL CHECK (digest ~ '^[0-9a-f]{64}$'),
    PRIMARY KEY (account_id, digest)
);
COMMENT ON TABLE paas_recovery_codes IS 'A code in place of an app''s, which works once: its digest, never itself.';

CREATE TABLE paas_pending_sign_ins (
    digest text PRIMARY KEY CHECK (digest ~ '^[0-9a-f]{64}$'),
    account_id uuid NOT NULL REFERENCES paas_accounts ON DELETE CASCADE,
    expires_at timestamptz NOT NULL,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX paas_pending_sign_ins_account_id_idx ON paas_pending_sign_ins (account_id);
COMMENT ON TABLE paas_pending_sign_ins IS 'A sign-in by password or link that waits for its second factor, until it expires.';

CREATE TABLE paas_passkeys (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    account_id uuid NOT NULL REFERENCES paas_accounts ON DELETE CASCADE,
    credential bytea NOT NULL UNIQUE,
    public_key bytea NOT NULL,
    sign_count bigint NOT NULL,
    name text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    last_used_at timestamptz
);
CREATE INDEX paas_passkeys_account_id_idx ON paas_passkeys (account_id);
COMMENT ON TABLE paas_passkeys IS 'A passkey by which an account signs in.';

CREATE TABLE paas_used_challenges (
    digest text PRIMARY KEY CHECK (digest ~ '^[0-9a-f]{64}$'),
    expires_at timestamptz NOT NULL
);
CREATE INDEX paas_used_challenges_expires_at_idx ON paas_used_challenges (expires_at);
COMMENT ON TABLE paas_used_challenges IS 'A challenge that a passkey has answered, so that no answer counts twice.';
"""


def upgrade() -> None:
    """Expand the schema."""
    op.execute(TWO_FACTOR)
