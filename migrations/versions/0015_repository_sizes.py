"""What each app's repository takes up: to look on disk would cost every read."""

from alembic import op

revision = "0015"
down_revision = "0014"

SIZES = """
ALTER TABLE paas_applications
    ADD COLUMN repository_bytes bigint NOT NULL DEFAULT 0
    CONSTRAINT paas_applications_repository_bytes_check CHECK (repository_bytes >= 0);
"""


def upgrade() -> None:
    """Expand the schema."""
    op.execute(SIZES)
