"""Whether the owners of an organization were told that its wallet is low."""

from alembic import op

revision = "0039"
down_revision = "0038"


def upgrade() -> None:
    """Expand the schema."""
    op.execute("ALTER TABLE paas_organizations ADD COLUMN warned boolean NOT NULL DEFAULT false")
    op.execute("COMMENT ON COLUMN paas_organizations.warned IS 'Its owners were told that its wallet is low; false once it is not.'")
