"""Builds, and the slugs they make."""

from sqlalchemy import JSON, BigInteger, CheckConstraint, Column, Index, Table, Text
from sqlalchemy.dialects.postgresql import ARRAY

from skypanel.domain.build import BuildState, SourceKind
from skypanel.store.tables.columns import (
    DIGEST,
    account,
    app,
    created_at,
    identity,
    lease,
    matches,
    metadata,
    one_of,
    reference,
    string,
    time,
)

slugs = Table(
    "paas_slugs",
    metadata,
    identity(),
    app(),
    Column("digest", Text, nullable=False, index=True),
    Column("size_bytes", BigInteger, nullable=False),
    Column("process_types", JSON, nullable=False, comment="Commands by process type. Not JSONB, which would lose the Procfile's order."),
    Column("buildpacks", ARRAY(Text), nullable=False),
    string("stack"),
    string("commit", nullable=True),
    created_at(),
    matches("digest", DIGEST),
    CheckConstraint("size_bytes >= 0", name="size_bytes"),
    comment="What a build made of a source: an archive of that digest in object storage.",
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
    string("source_branch", nullable=True),
    string("source_subject", nullable=True),
    string("source_author", nullable=True),
    string("state"),
    string("error", nullable=True),
    created_at(),
    *lease(),
    time("cancelled_at"),
    one_of("source_kind", SourceKind),
    one_of("state", BuildState),
    matches("source_digest", DIGEST),
    CheckConstraint("state <> 'building' OR lease_until IS NOT NULL", name="lease"),
    comment="A source that is, was or will be made into a slug. Workers claim it under a lease.",
)

OPEN_BUILD = builds.c.state.in_([BuildState.PENDING, BuildState.BUILDING])

Index("paas_builds_app_id_created_at_idx", builds.c.app_id, builds.c.created_at)
Index("paas_builds_app_id_source_digest_idx", builds.c.app_id, builds.c.source_digest)
Index("paas_builds_open_key", builds.c.app_id, unique=True, postgresql_where=OPEN_BUILD)
Index("paas_builds_failed_idx", builds.c.app_id, builds.c.created_at, postgresql_where=builds.c.state == BuildState.FAILED)
Index("paas_builds_pending_idx", builds.c.created_at, postgresql_where=builds.c.state == BuildState.PENDING)
Index("paas_builds_building_idx", builds.c.lease_until, postgresql_where=builds.c.state == BuildState.BUILDING)
