"""How the health of an app is checked."""

from alembic import op

revision = "0007"
down_revision = "0006"

HEALTH = """
ALTER TABLE paas_applications
    ADD COLUMN health_path text NOT NULL DEFAULT '/health',
    ADD COLUMN health_interval_s integer NOT NULL DEFAULT 30,
    ADD CONSTRAINT paas_applications_health_check CHECK (health_path LIKE '/%' AND health_interval_s > 0);
"""


def upgrade() -> None:
    """Expand the schema."""
    op.execute(HEALTH)
