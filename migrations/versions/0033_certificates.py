"""Certificates, orders for them, and accounts at certificate authorities."""

from alembic import op

revision = "0033"
down_revision = "0032"

CERTIFICATES = """
CREATE TABLE paas_certificates (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    app_id uuid REFERENCES paas_applications ON DELETE CASCADE,
    source text NOT NULL CHECK (source IN ('acme', 'uploaded')),
    names text[] NOT NULL CHECK (cardinality(names) > 0),
    chain text NOT NULL,
    secret bytea NOT NULL,
    not_before timestamptz NOT NULL,
    not_after timestamptz NOT NULL,
    issuer text NOT NULL,
    serial text NOT NULL,
    directory text,
    renew_at timestamptz,
    check_at timestamptz,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    updated_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    CONSTRAINT paas_certificates_directory_check CHECK ((source = 'acme') = (directory IS NOT NULL))
);
CREATE INDEX paas_certificates_app_id_idx ON paas_certificates (app_id);
CREATE INDEX paas_certificates_names_idx ON paas_certificates USING gin (names);
CREATE UNIQUE INDEX paas_certificates_acme_key ON paas_certificates (names) WHERE source = 'acme';
COMMENT ON COLUMN paas_certificates.secret IS 'Its private key, encrypted.';
COMMENT ON COLUMN paas_certificates.directory IS 'Of the CA that issued it by ACME.';
COMMENT ON COLUMN paas_certificates.check_at IS 'When to ask the CA again when to renew it.';
COMMENT ON TABLE paas_certificates IS
    'A certificate with its chain (PEM). One by ACME is for one name, and its renewal replaces it.';

CREATE TABLE paas_acme_accounts (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    directory text NOT NULL,
    eab_kid text NOT NULL DEFAULT '',
    secret bytea NOT NULL,
    url text,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    UNIQUE (directory, eab_kid)
);
COMMENT ON COLUMN paas_acme_accounts.secret IS 'Its private key, encrypted.';
COMMENT ON COLUMN paas_acme_accounts.url IS 'NULL until the CA knows it.';
COMMENT ON TABLE paas_acme_accounts IS 'The panel''s account at a certificate authority.';

CREATE TABLE paas_acme_orders (
    name text PRIMARY KEY,
    app_id uuid REFERENCES paas_applications ON DELETE CASCADE,
    step text NOT NULL DEFAULT 'waiting' CHECK (step IN ('waiting', 'ordered', 'answered', 'finalized')),
    secret bytea NOT NULL,
    account_id uuid REFERENCES paas_acme_accounts ON DELETE CASCADE,
    url text NOT NULL DEFAULT '',
    finalize_url text NOT NULL DEFAULT '',
    challenge_url text NOT NULL DEFAULT '',
    token text NOT NULL DEFAULT '',
    proof text NOT NULL DEFAULT '',
    started_at timestamptz,
    failures integer NOT NULL DEFAULT 0,
    problem text NOT NULL DEFAULT '',
    next_attempt_at timestamptz NOT NULL,
    attempt integer NOT NULL DEFAULT 0,
    lease_until timestamptz,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX paas_acme_orders_app_id_idx ON paas_acme_orders (app_id);
CREATE INDEX paas_acme_orders_account_id_idx ON paas_acme_orders (account_id);
CREATE INDEX paas_acme_orders_next_attempt_at_idx ON paas_acme_orders (next_attempt_at);
CREATE INDEX paas_acme_orders_token_idx ON paas_acme_orders (token);
COMMENT ON COLUMN paas_acme_orders.secret IS 'The private key of the certificate, encrypted.';
COMMENT ON COLUMN paas_acme_orders.proof IS 'What the CA has to find. It is public.';
COMMENT ON COLUMN paas_acme_orders.problem IS 'Why the last attempt failed.';
COMMENT ON COLUMN paas_acme_orders.attempt IS 'Fencing token.';
COMMENT ON TABLE paas_acme_orders IS
    'An order for the certificate of one name. Each step is stored before the CA hears of the next.';
"""


def upgrade() -> None:
    """Expand the schema."""
    op.execute(CERTIFICATES)
