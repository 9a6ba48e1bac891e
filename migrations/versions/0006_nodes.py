"""Worker nodes, and alerts about them."""

from alembic import op

revision = "0006"
down_revision = "0005"

NODES = """
CREATE TABLE paas_nodes (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    name text NOT NULL UNIQUE,
    address text NOT NULL,
    port integer NOT NULL CHECK (port BETWEEN 1 AND 65535),
    "user" text NOT NULL,
    host_key text NOT NULL,
    kind text NOT NULL CHECK (kind IN ('key', 'password')),
    secret bytea NOT NULL,
    token_digest text UNIQUE CHECK (token_digest ~ '^[0-9a-f]{64}$'),
    state text NOT NULL CHECK (
        state IN ('pending', 'provisioning', 'joining', 'active', 'draining', 'drained', 'inactive', 'removing')
    ),
    wanted text NOT NULL CHECK (wanted IN ('active', 'drained', 'removed')),
    error text,
    member text UNIQUE,
    joined_at timestamptz,
    heartbeat_at timestamptz,
    report jsonb,
    staged text[] NOT NULL DEFAULT '{}',
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    attempt integer NOT NULL DEFAULT 0,
    worker text,
    lease_until timestamptz,
    started_at timestamptz,
    finished_at timestamptz
);

CREATE TABLE paas_alerts (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    kind text NOT NULL CHECK (kind IN ('node_inactive')),
    subject text NOT NULL,
    message text NOT NULL,
    raised_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    resolved_at timestamptz
);
CREATE INDEX paas_alerts_raised_at_idx ON paas_alerts (raised_at);
CREATE UNIQUE INDEX paas_alerts_open_key ON paas_alerts (kind, subject) WHERE resolved_at IS NULL;
"""


def upgrade() -> None:
    """Expand the schema."""
    op.execute(NODES)
