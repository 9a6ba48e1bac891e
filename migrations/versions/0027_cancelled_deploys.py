"""Deploys that somebody cancelled, and releases by age for the history of deploys."""

from alembic import op

revision = "0027"
down_revision = "0026"

CANCELLED = """
ALTER TABLE paas_builds ADD COLUMN cancelled_at TIMESTAMPTZ;
ALTER TABLE paas_rollouts ADD COLUMN cancelled_at TIMESTAMPTZ;
COMMENT ON COLUMN paas_rollouts.cancelled_at IS 'When somebody asked to cancel it, for the reason in error. Its worker then ends it.';
CREATE INDEX paas_releases_app_id_created_at_idx ON paas_releases (app_id, created_at);
"""


def upgrade() -> None:
    """Add the columns and the index."""
    op.execute(CANCELLED)
