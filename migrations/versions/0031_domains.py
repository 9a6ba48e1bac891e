"""Domains of apps."""

from alembic import op

revision = "0031"
down_revision = "0030"

DOMAINS = """
CREATE TABLE paas_domains (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    app_id uuid NOT NULL REFERENCES paas_applications ON DELETE CASCADE,
    name text NOT NULL CHECK (name ~ '^([*][.])?([a-z0-9-]+[.])+[a-z0-9-]+$' AND length(name) <= 253),
    token text NOT NULL,
    account_id uuid REFERENCES paas_accounts ON DELETE SET NULL,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    verified_at timestamptz,
    lost_at timestamptz,
    warned_at timestamptz,
    checked_at timestamptz,
    next_check_at timestamptz,
    asked_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    proof_problem text,
    leads_here boolean,
    leads_to text[] NOT NULL DEFAULT '{}',
    address_problem text,
    UNIQUE (app_id, name),
    CONSTRAINT paas_domains_loss_check CHECK (verified_at IS NOT NULL OR (lost_at IS NULL AND warned_at IS NULL))
);
CREATE INDEX paas_domains_account_id_idx ON paas_domains (account_id);
CREATE INDEX paas_domains_next_check_at_idx ON paas_domains (next_check_at);
CREATE UNIQUE INDEX paas_domains_verified_key ON paas_domains (name) WHERE verified_at IS NOT NULL;
COMMENT ON COLUMN paas_domains.token IS 'What the TXT record of its owner has to say. It is public.';
COMMENT ON COLUMN paas_domains.lost_at IS 'Since when a verified domain has no proof any more.';
COMMENT ON COLUMN paas_domains.next_check_at IS 'NULL if it is checked on demand only.';
COMMENT ON COLUMN paas_domains.asked_at IS 'When somebody last asked for checks: they become rarer from then on.';
COMMENT ON COLUMN paas_domains.leads_to IS 'The addresses or the name that DNS gave at the last check.';
COMMENT ON TABLE paas_domains IS
    'A name of its own that an app claims. Apps may claim the same one; only one of them has proved it.';

ALTER TABLE paas_alerts DROP CONSTRAINT paas_alerts_kind_check;
ALTER TABLE paas_alerts ADD CONSTRAINT paas_alerts_kind_check CHECK (kind IN ('node_inactive', 'domain_lost'));
"""


def upgrade() -> None:
    """Expand the schema."""
    op.execute(DOMAINS)
