"""Apps that the front door answers for."""

from alembic import op

revision = "0004"
down_revision = "0003"

MAINTENANCE = """
ALTER TABLE paas_applications ADD COLUMN maintenance boolean NOT NULL DEFAULT false;
"""


def upgrade() -> None:
    """Expand the schema."""
    op.execute(MAINTENANCE)
