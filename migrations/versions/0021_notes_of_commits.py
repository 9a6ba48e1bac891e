"""What the commit of a build says of itself, and the branch that it arrived on."""

from alembic import op

revision = "0021"
down_revision = "0020"

NOTES = """
ALTER TABLE paas_builds ADD COLUMN source_branch TEXT, ADD COLUMN source_subject TEXT, ADD COLUMN source_author TEXT;
"""


def upgrade() -> None:
    """Add the columns. They stay empty for earlier builds, and for archives."""
    op.execute(NOTES)
