"""What is wrong, and who is told of it."""

from sqlalchemy import Column, DateTime, Index, Integer, LargeBinary, Table, Text, UniqueConstraint, func, text
from sqlalchemy.dialects.postgresql import ARRAY

from skypanel.domain.alert import AlertEvent, AlertKind
from skypanel.store.tables.columns import account, created_at, identity, metadata, number, one_of, reference, string, time

alerts = Table(
    "paas_alerts",
    metadata,
    identity(),
    string("kind"),
    string("subject"),
    string("message"),
    Column("raised_at", DateTime(timezone=True), nullable=False, server_default=func.clock_timestamp(), index=True),
    time("resolved_at"),
    reference("organization_id", "paas_organizations", "CASCADE", nullable=True),
    reference("app_id", "paas_applications", "CASCADE", nullable=True),
    Column("seen_at", DateTime(timezone=True), nullable=False, server_default=func.clock_timestamp(), comment="When it was found last."),
    one_of("kind", AlertKind),
    comment="A problem that people were told. What it is about may be gone.",
)
alerts.c.organization_id.comment = "Of the problem of an organization. One of an app belongs to whom the app belongs to."

OPEN_ALERT = alerts.c.resolved_at.is_(None)

Index("paas_alerts_open_key", alerts.c.kind, alerts.c.subject, unique=True, postgresql_where=OPEN_ALERT)

alert_silences = Table(
    "paas_alert_silences",
    metadata,
    Column("kind", Text, primary_key=True),
    Column("subject", Text, primary_key=True),
    time("until", nullable=False),
    account(),
    comment="Until when nothing is sent of a rule and a subject.",
)

alert_destinations = Table(
    "paas_alert_destinations",
    metadata,
    identity(),
    reference("organization_id", "paas_organizations", "CASCADE", nullable=True),
    account(),
    string("name"),
    string("service"),
    Column("url", LargeBinary, nullable=False, comment="An address for mail or a URL of Apprise, encrypted."),
    Column("muted", ARRAY(Text), nullable=False, server_default=text("'{}'"), comment="Rules of which it gets nothing."),
    Column(
        "attempt",
        Integer,
        nullable=False,
        server_default=text("0"),
        comment="Grows with each claim: a worker that lost its lease is told apart by it.",
    ),
    time("busy_until", comment="The lease of the worker that sends to it."),
    Column(
        "due_at",
        DateTime(timezone=True),
        nullable=False,
        server_default=func.clock_timestamp(),
        comment="When it may be tried again after a failure.",
    ),
    Column("failures", Integer, nullable=False, server_default=text("0")),
    string("error", nullable=True),
    Column(
        "sent",
        ARRAY(DateTime(timezone=True)),
        nullable=False,
        server_default=text("'{}'"),
        comment="When it got its last messages, oldest first: within an hour there may be so many.",
    ),
    created_at(),
    comment="Where messages about alerts go: of an organization, else of the administrators.",
)

alert_messages = Table(
    "paas_alert_messages",
    metadata,
    number("id", primary_key=True),
    reference("alert_id", "paas_alerts", "CASCADE", index=False),
    reference("destination_id", "paas_alert_destinations", "CASCADE"),
    string("event"),
    Column("due_at", DateTime(timezone=True), nullable=False, server_default=func.clock_timestamp()),
    time("sent_at"),
    created_at(),
    UniqueConstraint("alert_id", "destination_id", "event"),
    one_of("event", AlertEvent),
    comment="What a destination is told of an alert, once. It waits until it was sent.",
)

Index("paas_alert_messages_waiting_idx", alert_messages.c.destination_id, postgresql_where=alert_messages.c.sent_at.is_(None))
