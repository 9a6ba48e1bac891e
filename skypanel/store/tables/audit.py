"""What was done, by whom, to what."""

from sqlalchemy import Column, DateTime, Table, Uuid, func
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
    Column("organization_id", Uuid, index=True),
    Column("app_id", Uuid, index=True),
    string("app_name", nullable=True),
    Column("details", JSONB, nullable=False),
    string("origin", nullable=True),
    comment="Something that was done. No foreign keys: it stays on record when those it was done to are gone.",
)
