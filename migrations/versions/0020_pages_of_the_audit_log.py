"""Indexes by which a page of the audit log is read, however long the log is."""

from alembic import op

revision = "0020"
down_revision = "0019"

INDEXES = """
CREATE INDEX paas_audit_log_organization_id_id_idx ON paas_audit_log (organization_id, id);
CREATE INDEX paas_audit_log_app_id_id_idx ON paas_audit_log (app_id, id);
DROP INDEX paas_audit_log_organization_id_idx, paas_audit_log_app_id_idx;
"""


def upgrade() -> None:
    """Replace the indexes without an order."""
    op.execute(INDEXES)
