"""Failed builds, by which it is found whether the last deploy of an app failed."""

from alembic import op

revision = "0048"
down_revision = "0047"


def upgrade() -> None:
    """Expand the schema."""
    op.execute("CREATE INDEX paas_builds_failed_idx ON paas_builds (app_id, created_at) WHERE state = 'failed'")
