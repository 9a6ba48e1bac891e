"""An app's builds and releases as one history, in one statement a page."""

from sqlalchemy import CompoundSelect, DateTime, Select, Subquery, Table, and_, func, or_, select, true, union_all

from skypanel.domain.build import BuildState
from skypanel.domain.deploy import state_of
from skypanel.domain.deploy_history import DeployEntry
from skypanel.domain.ids import AppId, DeployId
from skypanel.domain.release import RolloutReason, RolloutState
from skypanel.ports.database import Connection
from skypanel.store.builds import read_source
from skypanel.store.rows import Row
from skypanel.store.tables.accounts import accounts
from skypanel.store.tables.builds import builds, slugs
from skypanel.store.tables.releases import releases, rollouts


async def page(
    conn: Connection, app_id: AppId, limit: int, *, older_than: DeployId | None = None, newer_than: DeployId | None = None
) -> list[DeployEntry]:
    """Return at most `limit` of an app's deploys, newest first: the newest, or those next to one. An unknown id gives none."""
    wanted = _wanted(app_id, limit, older_than or newer_than, is_upward=newer_than is not None).subquery("wanted")
    return [_entry(row) for row in await conn.all(_entries(wanted).order_by(wanted.c.at.desc()))]


def _wanted(app_id: AppId, limit: int, bound: DeployId | None, *, is_upward: bool) -> Select[Row]:
    arms = union_all(
        _some(builds, app_id, limit, bound, is_upward=is_upward), _some(releases, app_id, limit, bound, is_upward=is_upward)
    ).subquery("both")
    return select(arms).order_by(arms.c.at if is_upward else arms.c.at.desc()).limit(limit)


def _some(table: Table, app_id: AppId, limit: int, bound: DeployId | None, *, is_upward: bool) -> Select[Row]:
    """Return the first of one kind. Each kind has an index for that, and the page needs no more of either."""
    chosen = select(table.c.id, table.c.created_at.label("at")).where(table.c.app_id == app_id)
    if table is releases:
        chosen = chosen.where(releases.c.build_id.is_(None))
    if bound is not None:
        at = _made(app_id, bound).subquery()
        moment = select(at.c.created_at).scalar_subquery()
        chosen = chosen.where(table.c.created_at > moment if is_upward else table.c.created_at < moment)
    ordered = chosen.order_by(table.c.created_at if is_upward else table.c.created_at.desc()).limit(limit).subquery()
    return select(ordered)


def _made(app_id: AppId, deploy_id: DeployId) -> CompoundSelect[Row]:
    return union_all(*(select(table.c.created_at).where(table.c.id == deploy_id, table.c.app_id == app_id) for table in (builds, releases)))


def _entries(wanted: Subquery) -> Select[Row]:
    rollout = (
        select(rollouts.c.state, rollouts.c.finished_at, rollouts.c.cancelled_at)
        .where(rollouts.c.release_id == releases.c.id, rollouts.c.reason == RolloutReason.RELEASE)
        .order_by(rollouts.c.number.desc())
        .limit(1)
        .lateral("rollout")
    )
    joined = (
        wanted.outerjoin(builds, builds.c.id == wanted.c.id)
        .outerjoin(releases, or_(releases.c.build_id == wanted.c.id, and_(releases.c.id == wanted.c.id, releases.c.build_id.is_(None))))
        .outerjoin(rollout, true())
        .outerjoin(slugs, slugs.c.id == func.coalesce(releases.c.slug_id, builds.c.slug_id))
        .outerjoin(accounts, accounts.c.id == func.coalesce(builds.c.account_id, releases.c.account_id))
    )
    ended_at = func.coalesce(rollout.c.finished_at, builds.c.finished_at, type_=DateTime(timezone=True))
    return select(
        wanted.c.id,
        wanted.c.at,
        builds.c.state.label("build_state"),
        builds.c.source_kind,
        builds.c.source_digest,
        builds.c.source_commit,
        builds.c.source_branch,
        builds.c.source_subject,
        builds.c.source_author,
        releases.c.id.label("release_id"),
        releases.c.version,
        releases.c.description,
        rollout.c.state.label("rollout_state"),
        func.coalesce(builds.c.cancelled_at, rollout.c.cancelled_at).is_not(None).label("is_cancelled"),
        func.coalesce(builds.c.error, releases.c.error).label("error"),
        ended_at.label("ended_at"),
        slugs.c.size_bytes,
        accounts.c.email,
    ).select_from(joined)


def _entry(row: Row) -> DeployEntry:
    state = state_of(
        BuildState(row.build_state) if row.build_state else None,
        RolloutState(row.rollout_state) if row.rollout_state else None,
        is_cancelled=row.is_cancelled,
    )
    return DeployEntry(
        id=row.id,
        state=state,
        source=read_source(row) if row.source_kind else None,
        release_id=row.release_id,
        version=row.version,
        description=row.description,
        email=row.email,
        error=row.error,
        slug_bytes=row.size_bytes,
        created_at=row.at,
        ended_at=row.ended_at if state.finished else None,
    )
