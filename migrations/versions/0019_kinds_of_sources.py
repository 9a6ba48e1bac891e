"""Sources of the kinds that there are."""

from alembic import op

revision = "0019"
down_revision = "0018"

KINDS = """
ALTER TABLE paas_builds ADD CONSTRAINT paas_builds_source_kind_check CHECK (source_kind IN ('git', 'archive', 'remote'));
"""


def upgrade() -> None:
    """Refuse other kinds, as for states."""
    op.execute(KINDS)
