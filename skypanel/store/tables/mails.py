"""Mails that wait to be sent."""

from sqlalchemy import Column, DateTime, Integer, LargeBinary, Table, func, text

from skypanel.store.tables.columns import created_at, metadata, number

mails = Table(
    "paas_mails",
    metadata,
    number("id", primary_key=True),
    Column("secret", LargeBinary, nullable=False),
    created_at(),
    Column("due_at", DateTime(timezone=True), nullable=False, server_default=func.clock_timestamp(), index=True),
    Column("attempts", Integer, nullable=False, server_default=text("0")),
    comment="A mail that waits for a worker, encrypted.",
)
