"""Every table. Column types, checks and indexes are compared with the migrations by a test.

What happens to a row when the row it refers to goes is said at each foreign key:
CASCADE is part of it, SET NULL outlives it, RESTRICT keeps it, and NO ACTION keeps it too,
unless the same statement removes both, as the removal of an app does.
"""

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    DateTime,
    Double,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    Numeric,
    SmallInteger,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

from skypanel.domain.alert import AlertKind
from skypanel.domain.billing import EntryKind
from skypanel.domain.build import BuildState
from skypanel.domain.node import NodeState, SecretKind, Wanted
from skypanel.domain.release import ReleaseState, RolloutReason, RolloutState
from skypanel.domain.transfer import TransferState
from skypanel.store.columns import (
    DIGEST,
    account,
    app,
    created_at,
    identity,
    lease,
    matches,
    metadata,
    number,
    one_of,
    reference,
    string,
    time,
)

organizations = Table(
    "paas_organizations",
    metadata,
    identity(),
    Column("name", Text, nullable=False),
    Column("billed", Boolean, nullable=False),
    created_at(),
    # Its wallet is empty: nothing of it runs, and no usage is recorded.
    Column("suspended", Boolean, nullable=False, server_default=text("false")),
    # Until when its usage is in paas_resource_usage, and charged for.
    Column("settled_until", DateTime(timezone=True), nullable=False, server_default=text("date_trunc('hour', now(), 'UTC')"), index=True),
    # An administrator had its apps stop: so it stays, whatever its wallet has.
    Column("held", Boolean, nullable=False, server_default=text("false")),
)

accounts = Table(
    "paas_accounts",
    metadata,
    identity(),
    Column("email", Text, nullable=False, unique=True),
    Column("is_admin", Boolean, nullable=False, server_default=text("false")),
    created_at(),
    string("password_hash", nullable=True),
    CheckConstraint("email = lower(email) AND position('@' IN email) > 1", name="email"),
)

memberships = Table(
    "paas_memberships",
    metadata,
    reference("organization_id", "paas_organizations", "CASCADE", primary_key=True, index=False),
    account("CASCADE", primary_key=True),
    Column("role", SmallInteger, nullable=False),
    created_at(),
    CheckConstraint("role BETWEEN 1 AND 4", name="role"),
)

ssh_keys = Table(
    "paas_ssh_keys",
    metadata,
    identity(),
    account("CASCADE"),
    Column("fingerprint", Text, nullable=False, unique=True),
    string("public_key"),
    string("name"),
    created_at(),
    time("last_used_at"),
)

tokens = Table(
    "paas_tokens",
    metadata,
    identity(),
    account("CASCADE"),
    Column("digest", Text, nullable=False, unique=True),
    string("description"),
    string("scope"),
    time("expires_at"),
    created_at(),
    time("last_used_at"),
    # How much of its rate is used up: a virtual schedule, as in ITU-T I.371's generic cell rate algorithm.
    time("busy_until"),
    matches("digest", DIGEST),
)


def _ticket(name: str) -> Table:
    """Return a table of secrets that sign an account in until they expire."""
    return Table(
        name,
        metadata,
        Column("digest", Text, primary_key=True),
        account("CASCADE"),
        time("expires_at", nullable=False),
        created_at(),
        matches("digest", DIGEST),
    )


login_links = _ticket("paas_login_links")
sessions = _ticket("paas_sessions")

# Not a reference: addresses without an account count too. Of what was typed in, only the digest is kept.
sign_in_attempts = Table(
    "paas_sign_in_attempts",
    metadata,
    number("id", primary_key=True),
    string("email_digest"),
    string("address"),
    Column("at", DateTime(timezone=True), nullable=False, server_default=func.clock_timestamp(), index=True),
    matches("email_digest", DIGEST),
)

plans = Table("paas_plans", metadata, identity(), Column("name", Text, nullable=False, unique=True), created_at())

plan_versions = Table(
    "paas_plan_versions",
    metadata,
    identity(),
    reference("plan_id", "paas_plans", "CASCADE", index=False),
    Column("version", Integer, nullable=False),
    Column("cpu_cores", Double, nullable=False),
    Column("memory_bytes", BigInteger, nullable=False),
    Column("max_replicas", Integer, nullable=False),
    Column("hourly_price", Numeric(12, 4), nullable=False),
    created_at(),
    UniqueConstraint("plan_id", "version"),
    CheckConstraint("version > 0", name="version"),
    CheckConstraint("cpu_cores > 0 AND memory_bytes > 0 AND max_replicas > 0 AND hourly_price >= 0", name="bounds"),
)

applications = Table(
    "paas_applications",
    metadata,
    identity(),
    number("number"),
    Column("name", Text, nullable=False, unique=True),
    # An app is more than its row: whoever deletes an organization destroys or moves its apps first.
    reference("organization_id", "paas_organizations", "RESTRICT"),
    reference("plan_version_id", "paas_plan_versions", "RESTRICT"),
    string("deploy_branch", nullable=True),
    Column("current_release_id", Uuid, ForeignKey("paas_releases.id", ondelete="SET NULL", use_alter=True), index=True),
    Column("generation", Integer, nullable=False, server_default=text("1")),
    created_at(),
    Column("health_path", Text, nullable=False, server_default=text("'/health'")),
    Column("health_interval_s", Integer, nullable=False, server_default=text("30")),
    Column("maintenance", Boolean, nullable=False, server_default=text("false")),
    Column("buildpacks", ARRAY(Text), nullable=False, server_default=text("'{}'")),
    Column("repository_bytes", BigInteger, nullable=False, server_default=text("0")),
    CheckConstraint("name ~ '^[a-z]([a-z0-9-]*[a-z0-9])?$' AND length(name) <= 30", name="name"),
    CheckConstraint("generation > 0", name="generation"),
    CheckConstraint("health_path LIKE '/%' AND health_interval_s > 0", name="health"),
    CheckConstraint("repository_bytes >= 0", name="repository_bytes"),
)

# Who may act for one app without being a member of its organization: a viewer or a developer.
collaborators = Table(
    "paas_collaborators",
    metadata,
    app(primary_key=True, index=False),
    account("CASCADE", primary_key=True),
    Column("role", SmallInteger, nullable=False),
    created_at(),
    CheckConstraint("role BETWEEN 1 AND 2", name="role"),
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
)

formations = Table(
    "paas_formations",
    metadata,
    app(primary_key=True, index=False),
    Column("process_type", Text, primary_key=True),
    Column("quantity", Integer, nullable=False),
    matches("process_type", "^[A-Za-z0-9_-]+$"),
    CheckConstraint("quantity >= 0", name="quantity"),
)

config_versions = Table(
    "paas_config_versions",
    metadata,
    identity(),
    app(index=False),
    Column("number", Integer, nullable=False),
    account(),
    created_at(),
    UniqueConstraint("app_id", "number"),
    CheckConstraint("number > 0", name="number"),
)

config_vars = Table(
    "paas_config_vars",
    metadata,
    number("id", primary_key=True),
    reference("config_version_id", "paas_config_versions", "CASCADE", index=False),
    string("key"),
    Column("secret", LargeBinary, nullable=False),
    UniqueConstraint("config_version_id", "key"),
    matches("key", "^[A-Z0-9_]+$"),
)

builds = Table(
    "paas_builds",
    metadata,
    identity(),
    app(index=False),
    account(),
    reference("slug_id", "paas_slugs", "SET NULL", nullable=True),
    string("source_kind"),
    string("source_digest"),
    string("source_commit", nullable=True),
    string("state"),
    string("error", nullable=True),
    created_at(),
    *lease(),
    one_of("state", BuildState),
    matches("source_digest", DIGEST),
    CheckConstraint("state <> 'building' OR lease_until IS NOT NULL", name="lease"),
)

# What somebody may upload once, and what came of that: the source, and the digest of the bytes as they were sent.
uploads = Table(
    "paas_uploads",
    metadata,
    identity(),
    account("CASCADE"),
    Column("put_digest", Text, nullable=False, unique=True),
    string("source_digest", nullable=True),
    string("checksum", nullable=True),
    time("expires_at", nullable=False),
    created_at(),
    matches("put_digest", DIGEST),
    matches("source_digest", DIGEST),
    matches("checksum", DIGEST),
    CheckConstraint("num_nonnulls(source_digest, checksum) IN (0, 2)", name="source"),
)

# What an app is deployed from where that is not a push, and what its SSH server showed then.
remotes = Table(
    "paas_remotes",
    metadata,
    app(primary_key=True, index=False),
    string("url"),
    string("branch"),
    string("host_key", nullable=True),
    Column("chosen_at", DateTime(timezone=True), nullable=False, server_default=func.clock_timestamp()),
    account(),
)

deploy_keys = Table(
    "paas_deploy_keys",
    metadata,
    app(primary_key=True, index=False),
    string("public_key"),
    Column("secret", LargeBinary, nullable=False),
    created_at(),
)

slugs = Table(
    "paas_slugs",
    metadata,
    identity(),
    app(),
    Column("digest", Text, nullable=False, index=True),
    Column("size_bytes", BigInteger, nullable=False),
    # Not JSONB, which would lose the Procfile's order.
    Column("process_types", JSON, nullable=False),
    Column("buildpacks", ARRAY(Text), nullable=False),
    string("stack"),
    string("commit", nullable=True),
    created_at(),
    matches("digest", DIGEST),
    CheckConstraint("size_bytes >= 0", name="size_bytes"),
)

releases = Table(
    "paas_releases",
    metadata,
    identity(),
    app(index=False),
    Column("version", Integer, nullable=False),
    reference("slug_id", "paas_slugs", "NO ACTION", nullable=True),
    reference("config_version_id", "paas_config_versions", "NO ACTION"),
    reference("build_id", "paas_builds", "SET NULL", nullable=True),
    account(),
    string("state"),
    string("description"),
    string("error", nullable=True),
    created_at(),
    UniqueConstraint("app_id", "version"),
    CheckConstraint("version > 0", name="version"),
    one_of("state", ReleaseState),
)

rollouts = Table(
    "paas_rollouts",
    metadata,
    identity(),
    number("number"),
    app(index=False),
    reference("release_id", "paas_releases", "CASCADE"),
    string("reason"),
    string("state"),
    string("error", nullable=True),
    created_at(),
    *lease(),
    one_of("reason", RolloutReason),
    one_of("state", RolloutState),
    CheckConstraint("state <> 'running' OR lease_until IS NOT NULL", name="lease"),
)

routes = Table(
    "paas_routes",
    metadata,
    app(primary_key=True, index=False),
    Column("hosts", ARRAY(Text), nullable=False),
    Column("endpoints", ARRAY(Text), nullable=False),
    Column("updated_at", DateTime(timezone=True), nullable=False, server_default=func.clock_timestamp()),
)

settings = Table(
    "paas_settings",
    metadata,
    Column("key", Text, primary_key=True),
    Column("value", JSONB),
    Column("secret", LargeBinary),
    Column("updated_at", DateTime(timezone=True), nullable=False, server_default=func.clock_timestamp()),
    reference("updated_by", "paas_accounts", "SET NULL", nullable=True),
    CheckConstraint("num_nonnulls(value, secret) = 1", name="value"),
)

# No foreign keys: what was done stays on record when those it was done to are gone.
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
)

nodes = Table(
    "paas_nodes",
    metadata,
    identity(),
    Column("name", Text, nullable=False, unique=True),
    string("address"),
    Column("port", Integer, nullable=False),
    string("user"),
    string("host_key"),
    string("kind"),
    Column("secret", LargeBinary, nullable=False),
    Column("token_digest", Text, unique=True),
    string("state"),
    string("wanted"),
    string("error", nullable=True),
    # The Swarm's name for it. Not a reference of ours, so no _id.
    Column("member", Text, unique=True),
    time("joined_at"),
    time("heartbeat_at"),
    Column("report", JSONB),
    Column("staged", ARRAY(Text), nullable=False, server_default=text("'{}'")),
    created_at(),
    *lease(),
    one_of("state", NodeState),
    one_of("wanted", Wanted),
    one_of("kind", SecretKind),
    matches("token_digest", DIGEST),
    CheckConstraint("port BETWEEN 1 AND 65535", name="port"),
)

# The container of a dyno that the node's agent is to stop.
stop_orders = Table(
    "paas_stop_orders",
    metadata,
    reference("node_id", "paas_nodes", "CASCADE", primary_key=True, index=False),
    Column("container", Text, primary_key=True),
    Column("created_at", DateTime(timezone=True), nullable=False, server_default=func.clock_timestamp(), index=True),
    matches("container", DIGEST),
)

# What it is about may be gone; who was told stays on record.
alerts = Table(
    "paas_alerts",
    metadata,
    identity(),
    string("kind"),
    string("subject"),
    string("message"),
    Column("raised_at", DateTime(timezone=True), nullable=False, server_default=func.clock_timestamp(), index=True),
    time("resolved_at"),
    one_of("kind", AlertKind),
)

# Triggers write these as formations, apps and organizations change (migration 0011). No foreign keys here and in the next
# two: what was used and paid stays on record when those who did are gone.
usage_spans = Table(
    "paas_usage_spans",
    metadata,
    number("id", primary_key=True),
    Column("organization_id", Uuid, nullable=False),
    Column("app_id", Uuid, nullable=False),
    string("app_name"),
    string("process_type"),
    Column("plan_version_id", Uuid, nullable=False),
    Column("hourly_price", Numeric(12, 4), nullable=False),
    Column("quantity", Integer, nullable=False),
    time("since", nullable=False),
    time("until"),
    CheckConstraint("quantity > 0", name="quantity"),
    CheckConstraint("until >= since", name="until"),
)

resource_usage = Table(
    "paas_resource_usage",
    metadata,
    Column("organization_id", Uuid, primary_key=True),
    Column("hour", DateTime(timezone=True), primary_key=True),
    Column("app_id", Uuid, primary_key=True, index=True),
    string("app_name"),
    Column("dyno_seconds", Numeric(18, 6), nullable=False),
    Column("cost", Numeric(18, 6), nullable=False),
    CheckConstraint("dyno_seconds >= 0 AND cost >= 0", name="bounds"),
)

# A trigger lets nobody change or remove a line.
wallet_entries = Table(
    "paas_wallet_entries",
    metadata,
    number("id", primary_key=True),
    Column("organization_id", Uuid, nullable=False),
    Column("at", DateTime(timezone=True), nullable=False, server_default=func.clock_timestamp()),
    string("kind"),
    Column("amount", Numeric(18, 6), nullable=False),
    Column("balance", Numeric(18, 6), nullable=False),
    time("hour"),
    Column("note", Text, nullable=False, server_default=text("''")),
    Column("account_id", Uuid, index=True),
    string("email", nullable=True),
    one_of("kind", EntryKind),
    CheckConstraint("(kind = 'charge') = (hour IS NOT NULL)", name="hour"),
)

OPEN_BUILD = builds.c.state.in_([BuildState.PENDING, BuildState.BUILDING])
OPEN_ROLLOUT = rollouts.c.state.in_([RolloutState.PENDING, RolloutState.RUNNING])
OPEN_ALERT = alerts.c.resolved_at.is_(None)
OPEN_SPAN = usage_spans.c.until.is_(None)
OPENING = wallet_entries.c.kind == EntryKind.OPENING
CHARGE = wallet_entries.c.kind == EntryKind.CHARGE
INCOME = wallet_entries.c.kind != EntryKind.CHARGE
PENDING_TRANSFER = app_transfers.c.state == TransferState.PENDING

# Names that the case of letters alone tells apart are one to a reader.
Index("paas_organizations_lower_name_key", func.lower(organizations.c.name), unique=True)
Index("paas_usage_spans_app_id_until_idx", usage_spans.c.app_id, usage_spans.c.until)
Index("paas_usage_spans_organization_id_until_idx", usage_spans.c.organization_id, usage_spans.c.until)
Index("paas_usage_spans_open_key", usage_spans.c.app_id, usage_spans.c.process_type, unique=True, postgresql_where=OPEN_SPAN)
Index("paas_wallet_entries_organization_id_id_idx", wallet_entries.c.organization_id, wallet_entries.c.id)
Index("paas_wallet_entries_opening_key", wallet_entries.c.organization_id, unique=True, postgresql_where=OPENING)
Index("paas_wallet_entries_charge_key", wallet_entries.c.organization_id, wallet_entries.c.hour, unique=True, postgresql_where=CHARGE)
Index("paas_wallet_entries_income_idx", wallet_entries.c.organization_id, postgresql_where=INCOME)
Index("paas_alerts_open_key", alerts.c.kind, alerts.c.subject, unique=True, postgresql_where=OPEN_ALERT)
Index("paas_sign_in_attempts_email_digest_at_idx", sign_in_attempts.c.email_digest, sign_in_attempts.c.at)
Index("paas_sign_in_attempts_address_at_idx", sign_in_attempts.c.address, sign_in_attempts.c.at)
Index("paas_builds_app_id_created_at_idx", builds.c.app_id, builds.c.created_at)
Index("paas_builds_app_id_source_digest_idx", builds.c.app_id, builds.c.source_digest)
Index("paas_builds_open_key", builds.c.app_id, unique=True, postgresql_where=OPEN_BUILD)
Index("paas_builds_pending_idx", builds.c.created_at, postgresql_where=builds.c.state == BuildState.PENDING)
Index("paas_builds_building_idx", builds.c.lease_until, postgresql_where=builds.c.state == BuildState.BUILDING)
Index("paas_rollouts_app_id_number_idx", rollouts.c.app_id, rollouts.c.number)
Index("paas_rollouts_pending_idx", rollouts.c.app_id, rollouts.c.number, postgresql_where=rollouts.c.state == RolloutState.PENDING)
Index("paas_rollouts_running_key", rollouts.c.app_id, unique=True, postgresql_where=rollouts.c.state == RolloutState.RUNNING)
Index("paas_app_transfers_pending_key", app_transfers.c.app_id, unique=True, postgresql_where=PENDING_TRANSFER)
