"""Open builds and rollouts of the whole panel, in one list."""

from typing import Any

from sqlalchemy import Select, func, literal, select, union_all

from skypanel.domain.build import BuildState
from skypanel.domain.job import Job, JobCounts, JobKind
from skypanel.domain.release import RolloutState
from skypanel.ports.database import Connection
from skypanel.store.rows import Row, one
from skypanel.store.tables.accounts import accounts
from skypanel.store.tables.apps import applications
from skypanel.store.tables.builds import OPEN_BUILD, builds
from skypanel.store.tables.organizations import organizations
from skypanel.store.tables.releases import OPEN_ROLLOUT, releases, rollouts


def _job(kind: JobKind, table: Any, reason: Any, pending: str) -> Select[Row]:  # noqa: ANN401 - columns of tables are Any
    return (
        select(
            table.c.id,
            literal(kind.value).label("kind"),
            applications.c.name.label("app"),
            organizations.c.name.label("organization"),
            reason.label("reason"),
            (table.c.state != pending).label("is_running"),
            table.c.created_at,
            table.c.started_at,
            table.c.worker,
            table.c.attempt,
            accounts.c.email,
        )
        .join(applications, applications.c.id == table.c.app_id)
        .join(organizations, organizations.c.id == applications.c.organization_id)
    )


_BUILDS = (
    _job(JobKind.BUILD, builds, builds.c.source_kind, BuildState.PENDING)
    .outerjoin(accounts, accounts.c.id == builds.c.account_id)
    .where(OPEN_BUILD)
)
_ROLLOUTS = (
    _job(JobKind.ROLLOUT, rollouts, rollouts.c.reason, RolloutState.PENDING)
    .join(releases, releases.c.id == rollouts.c.release_id)
    .outerjoin(accounts, accounts.c.id == releases.c.account_id)
    .where(OPEN_ROLLOUT)
)
_JOBS = union_all(_BUILDS, _ROLLOUTS).subquery()


async def open_(conn: Connection, limit: int) -> list[Job]:
    """Return the builds and rollouts that run or wait, at most `limit`: those that run first, then the oldest."""
    statement = select(_JOBS).order_by(_JOBS.c.is_running.desc(), _JOBS.c.created_at, _JOBS.c.id).limit(limit)
    return [Job(**{**row._asdict(), "kind": JobKind(row.kind)}) for row in await conn.all(statement)]


async def counts(conn: Connection) -> JobCounts:
    """Return how many builds and rollouts run, and how many wait."""
    table = union_all(
        select((builds.c.state != BuildState.PENDING).label("is_running")).where(OPEN_BUILD),
        select((rollouts.c.state != RolloutState.PENDING).label("is_running")).where(OPEN_ROLLOUT),
    ).subquery()
    number = func.count()
    statement = select(number.filter(table.c.is_running).label("running"), number.filter(~table.c.is_running).label("waiting"))
    row = await one(conn, statement.select_from(table))
    return JobCounts(row.running, row.waiting)
