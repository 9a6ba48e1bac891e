"""How often each API token is used."""

from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Expand the schema."""
    op.execute("ALTER TABLE paas_tokens ADD COLUMN busy_until timestamptz")
