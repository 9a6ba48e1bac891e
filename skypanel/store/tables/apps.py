"""What users deploy, and whom they share it with."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    DateTime,
    ForeignKey,
    Index,
    Integer,
    SmallInteger,
    Table,
    Text,
    Uuid,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY

from skypanel.domain.transfer import TransferState
from skypanel.store.tables.columns import account, app, created_at, identity, matches, metadata, number, one_of, reference, string, time

applications = Table(
    "paas_applications",
    metadata,
    identity(),
    number("number", comment="Never used again: the user id that its dynos run as comes from it."),
    Column("name", Text, nullable=False, unique=True),
    # An app is more than its row: code that deletes an organization must destroy or move its apps first.
    reference("organization_id", "paas_organizations", "RESTRICT"),
    reference("plan_version_id", "paas_plan_versions", "RESTRICT"),
    string("deploy_branch", nullable=True),
    Column("current_release_id", Uuid, ForeignKey("paas_releases.id", ondelete="SET NULL", use_alter=True), index=True),
    Column("generation", Integer, nullable=False, server_default=text("1"), comment="Grows with each restart."),
    created_at(),
    Column("health_path", Text, nullable=False, server_default=text("'/health'")),
    Column("health_interval_s", Integer, nullable=False, server_default=text("30")),
    Column("maintenance", Boolean, nullable=False, server_default=text("false")),
    Column("buildpacks", ARRAY(Text), nullable=False, server_default=text("'{}'")),
    Column("repository_bytes", BigInteger, nullable=False, server_default=text("0")),
    Column("first_byte_timeout_s", Integer, comment="NULL for the panel's setting."),
    Column("idle_timeout_s", Integer, comment="NULL for the panel's setting."),
    Column("https_redirect", Boolean, comment="NULL to redirect hosts with a certificate."),
    Column(
        "automatic_certificates",
        Boolean,
        nullable=False,
        server_default=text("true"),
        comment="Whether the panel orders certificates for its domains.",
    ),
    CheckConstraint("name ~ '^[a-z]([a-z0-9-]*[a-z0-9])?$' AND length(name) <= 30", name="name"),
    CheckConstraint("generation > 0", name="generation"),
    CheckConstraint("health_path LIKE '/%' AND health_interval_s > 0", name="health"),
    CheckConstraint("repository_bytes >= 0", name="repository_bytes"),
    CheckConstraint("first_byte_timeout_s > 0 AND idle_timeout_s > 0", name="timeouts"),
    comment="An app.",
)

collaborators = Table(
    "paas_collaborators",
    metadata,
    app(primary_key=True, index=False),
    account("CASCADE", primary_key=True),
    Column("role", SmallInteger, nullable=False),
    created_at(),
    CheckConstraint("role BETWEEN 1 AND 2", name="role"),
    comment="What an account may do with one app without being a member of its organization, as a viewer (1) or developer (2).",
)

app_transfers = Table(
    "paas_app_transfers",
    metadata,
    identity(),
    app(),
    reference("sender_id", "paas_accounts", "CASCADE"),
    reference("recipient_id", "paas_accounts", "CASCADE"),
    string("state"),
    created_at(),
    time("answered_at"),
    one_of("state", TransferState),
    CheckConstraint("(state = 'pending') = (answered_at IS NULL)", name="answer"),
    comment="An app that one account offered to another, and what the other answered.",
)

formations = Table(
    "paas_formations",
    metadata,
    app(primary_key=True, index=False),
    Column("process_type", Text, primary_key=True),
    Column("quantity", Integer, nullable=False),
    matches("process_type", "^[A-Za-z0-9_-]+$"),
    CheckConstraint("quantity >= 0", name="quantity"),
    comment="How many dynos of a process type an app is to run.",
)

routes = Table(
    "paas_routes",
    metadata,
    app(primary_key=True, index=False),
    Column("hosts", ARRAY(Text), nullable=False),
    Column("endpoints", ARRAY(Text), nullable=False),
    Column("updated_at", DateTime(timezone=True), nullable=False, server_default=func.clock_timestamp()),
    comment="The hostnames of an app, and where they lead.",
)

LED_ROUTE = func.cardinality(routes.c.endpoints) > text("0")
PENDING_TRANSFER = app_transfers.c.state == TransferState.PENDING

Index("paas_app_transfers_pending_key", app_transfers.c.app_id, unique=True, postgresql_where=PENDING_TRANSFER)
Index("paas_routes_led_idx", routes.c.app_id, postgresql_where=LED_ROUTE)
