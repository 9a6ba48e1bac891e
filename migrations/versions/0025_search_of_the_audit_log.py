"""Indexes by which administrators search the audit log of the whole panel."""

from alembic import op

revision = "0025"
down_revision = "0024"

INDEXES = """
CREATE INDEX paas_audit_log_email_id_idx ON paas_audit_log (email, id);
CREATE INDEX paas_audit_log_app_name_id_idx ON paas_audit_log (app_name, id);
CREATE INDEX paas_audit_log_at_idx ON paas_audit_log (at);
"""


def upgrade() -> None:
    """Expand the schema."""
    op.execute(INDEXES)
