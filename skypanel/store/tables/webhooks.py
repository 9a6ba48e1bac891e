"""Webhooks of apps, what happened to the apps, and what is sent of it."""

from sqlalchemy import (
    JSON,
    CheckConstraint,
    Column,
    DateTime,
    Index,
    Integer,
    LargeBinary,
    Table,
    Text,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY

from skypanel.domain.webhook import DeliveryStatus, WebhookLevel
from skypanel.store.tables.columns import account, app, created_at, identity, metadata, number, one_of, reference, string, time

webhooks = Table(
    "paas_webhooks",
    metadata,
    identity(),
    app(),
    account(),
    string("url"),
    Column("include", ARRAY(Text), nullable=False),
    string("level"),
    Column("secret", LargeBinary, nullable=False),
    Column("authorization", LargeBinary),
    created_at(),
    Column("updated_at", DateTime(timezone=True), nullable=False, server_default=func.clock_timestamp()),
    CheckConstraint("url LIKE 'https://%'", name="url"),
    CheckConstraint("cardinality(include) > 0", name="include"),
    one_of("level", WebhookLevel),
    comment="A URL that gets what happens to an app, with the encrypted secret that signs it, and an authorization header.",
)

webhook_events = Table(
    "paas_webhook_events",
    metadata,
    identity(),
    number("number"),
    app(index=False),
    account(),
    string("include"),
    string("action"),
    string("resource"),
    Column("fields", JSON, nullable=False),
    Column("created_at", DateTime(timezone=True), nullable=False, server_default=func.clock_timestamp(), index=True),
    CheckConstraint("action IN ('create', 'update')", name="action"),
    comment="Something that happened to an app with a webhook for it, with columns of the row as it was then. Triggers write it.",
)

webhook_deliveries = Table(
    "paas_webhook_deliveries",
    metadata,
    identity(),
    number("number"),
    reference("webhook_id", "paas_webhooks", "CASCADE"),
    reference("event_id", "paas_webhook_events", "CASCADE"),
    Column("status", Text, nullable=False, server_default=text("'pending'")),
    Column(
        "attempts",
        Integer,
        nullable=False,
        server_default=text("0"),
        comment="Grows with each claim: a worker that lost its lease is told apart by it.",
    ),
    Column("code", Integer),
    string("error", nullable=True),
    time("attempted_at"),
    Column("due_at", DateTime(timezone=True), server_default=func.clock_timestamp(), index=True),
    time("busy_until", comment="The lease of the worker that sends it."),
    created_at(),
    one_of("status", DeliveryStatus),
    CheckConstraint("(status IN ('pending', 'retrying')) = (due_at IS NOT NULL)", name="due"),
    comment="An event for one webhook, which a worker sends.",
)

Index("paas_webhook_events_app_id_number_idx", webhook_events.c.app_id, webhook_events.c.number)
