"""Whether the panel orders certificates for an app's domains."""

from alembic import op

revision = "0038"
down_revision = "0037"


def upgrade() -> None:
    """Expand the schema."""
    op.execute("ALTER TABLE paas_applications ADD COLUMN automatic_certificates boolean NOT NULL DEFAULT true")
    op.execute("COMMENT ON COLUMN paas_applications.automatic_certificates IS 'Whether the panel orders certificates for its domains.'")
