"""Accounts that an administrator disabled."""

from alembic import op

revision = "0024"
down_revision = "0023"

DISABLED = """
ALTER TABLE paas_accounts ADD COLUMN disabled_at timestamptz;
COMMENT ON COLUMN paas_accounts.disabled_at IS 'Since when the account can do nothing; its sessions ended then.';
"""


def upgrade() -> None:
    """Expand the schema."""
    op.execute(DISABLED)
