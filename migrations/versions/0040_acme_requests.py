"""What an organization has ordered of late, and failures that outlive their order."""

from alembic import op

revision = "0040"
down_revision = "0039"

REQUESTS = """
CREATE TABLE paas_acme_requests (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    organization_id uuid NOT NULL REFERENCES paas_organizations ON DELETE CASCADE,
    requested_at timestamptz NOT NULL
);
CREATE INDEX paas_acme_requests_organization_id_requested_at_idx ON paas_acme_requests (organization_id, requested_at);
CREATE INDEX paas_acme_requests_requested_at_idx ON paas_acme_requests (requested_at);
COMMENT ON TABLE paas_acme_requests IS 'A certificate that was ordered for an organization, within the last hours.'
"""

FAILURES = """
CREATE TABLE paas_acme_failures (
    name text PRIMARY KEY,
    failures integer NOT NULL,
    problem text NOT NULL,
    next_attempt_at timestamptz NOT NULL
);
CREATE INDEX paas_acme_failures_next_attempt_at_idx ON paas_acme_failures (next_attempt_at);
COMMENT ON TABLE paas_acme_failures IS
    'Failures in a row of orders for a name, so that one that is removed and added again begins with them.'
"""


def upgrade() -> None:
    """Expand the schema."""
    op.execute(REQUESTS)
    op.execute(FAILURES)
