"""Forms that were sent."""

from alembic import op

revision = "0030"
down_revision = "0029"

SUBMISSIONS = """
CREATE TABLE paas_submissions (
    digest text PRIMARY KEY CHECK (digest ~ '^[0-9a-f]{64}$'),
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    finished_at timestamptz,
    location text,
    message text
);
CREATE INDEX paas_submissions_created_at_idx ON paas_submissions (created_at);
COMMENT ON TABLE paas_submissions IS
    'A form that was sent: the digest of its idempotency key, and where the answer led, so that the same form has no effect twice.';
"""


def upgrade() -> None:
    """Expand the schema."""
    op.execute(SUBMISSIONS)
