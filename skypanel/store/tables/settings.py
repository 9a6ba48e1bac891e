"""What administrators chose for the whole panel."""

from sqlalchemy import CheckConstraint, Column, DateTime, LargeBinary, Table, Text, func
from sqlalchemy.dialects.postgresql import JSONB

from skypanel.store.tables.columns import metadata, reference

settings = Table(
    "paas_settings",
    metadata,
    Column("key", Text, primary_key=True),
    Column("value", JSONB),
    Column("secret", LargeBinary),
    Column("updated_at", DateTime(timezone=True), nullable=False, server_default=func.clock_timestamp()),
    reference("updated_by", "paas_accounts", "SET NULL", nullable=True),
    CheckConstraint("num_nonnulls(value, secret) = 1", name="value"),
    comment="What an administrator chose, as JSON or encrypted; a setting without a row has its default.",
)
