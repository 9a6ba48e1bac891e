"""What was done, by whom, to what."""

from sqlalchemy import Column, DateTime, Index, Table, Uuid, func
from sqlalchemy.dialects.postgresql import JSONB

from skypanel.store.tables.columns import metadata, number, string

audit_log = Table(
    "paas_audit_log",
    metadata,
    number("id", primary_key=True),
    Column("at", DateTime(timezone=True), nullable=False, server_default=func.clock_timestamp()),
    string("action"),
    Column("account_id", Uuid, index=True),
    string("email", nullable=True),
    Column("organization_id", Uuid),
    Column("app_id", Uuid),
    string("app_name", nullable=True),
    Column("details", JSONB, nullable=False),
    string("origin", nullable=True),
    comment="Something that was done. No foreign keys: it stays on record when those it was done to are gone.",
)

# A page of the log of one organization or app reads as many entries as it shows.
Index("paas_audit_log_organization_id_id_idx", audit_log.c.organization_id, audit_log.c.id)
Index("paas_audit_log_app_id_id_idx", audit_log.c.app_id, audit_log.c.id)
Index("paas_audit_log_email_id_idx", audit_log.c.email, audit_log.c.id)
Index("paas_audit_log_app_name_id_idx", audit_log.c.app_name, audit_log.c.id)
Index("paas_audit_log_at_idx", audit_log.c.at)
