"""The buildpacks that an app's owner chose."""

from alembic import op

revision = "0009"
down_revision = "0008"

BUILDPACKS = "ALTER TABLE paas_applications ADD COLUMN buildpacks text[] NOT NULL DEFAULT '{}'"


def upgrade() -> None:
    """Expand the schema."""
    op.execute(BUILDPACKS)
