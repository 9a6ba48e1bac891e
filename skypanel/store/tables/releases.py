"""Releases, and the rollouts that make them live."""

from sqlalchemy import CheckConstraint, Column, Index, Integer, Table, UniqueConstraint

from skypanel.domain.release import ReleaseState, RolloutReason, RolloutState
from skypanel.store.tables.columns import account, app, created_at, identity, lease, metadata, number, one_of, reference, string, time

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
    comment="A slug with a config version, numbered within its app; of one without a slug nothing runs.",
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
    time("cancelled_at", comment="When somebody asked to cancel it, for the reason in error. Its worker then ends it."),
    one_of("reason", RolloutReason),
    one_of("state", RolloutState),
    CheckConstraint("state <> 'running' OR lease_until IS NOT NULL", name="lease"),
    comment="A release that is, was or will be made live. Workers claim it under a lease, one at a time of an app.",
)

OPEN_ROLLOUT = rollouts.c.state.in_([RolloutState.PENDING, RolloutState.RUNNING])

Index("paas_releases_app_id_created_at_idx", releases.c.app_id, releases.c.created_at)
Index("paas_rollouts_app_id_number_idx", rollouts.c.app_id, rollouts.c.number)
Index("paas_rollouts_pending_idx", rollouts.c.app_id, rollouts.c.number, postgresql_where=rollouts.c.state == RolloutState.PENDING)
Index("paas_rollouts_running_key", rollouts.c.app_id, unique=True, postgresql_where=rollouts.c.state == RolloutState.RUNNING)
