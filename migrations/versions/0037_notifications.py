"""Kinds of mail that an account has turned off."""

from alembic import op

revision = "0037"
down_revision = "0036"


def upgrade() -> None:
    """Expand the schema."""
    op.execute("ALTER TABLE paas_accounts ADD COLUMN muted text[] NOT NULL DEFAULT '{}'")
    op.execute("COMMENT ON COLUMN paas_accounts.muted IS 'Kinds of mail that the account does not want.'")
