"""Deploys in progress, which are builds and new releases that have not ended, and failed deploys."""

from collections.abc import Collection

from sqlalchemy import ColumnElement, and_, case, func, or_, select, union, union_all

from skypanel.domain.build import BuildState
from skypanel.domain.ids import AppId
from skypanel.domain.release import RolloutReason, RolloutState
from skypanel.ports.database import Connection
from skypanel.store.sets import among
from skypanel.store.tables.apps import applications
from skypanel.store.tables.builds import OPEN_BUILD, builds
from skypanel.store.tables.releases import releases, rollouts


async def open_among(conn: Connection, app_ids: Collection[AppId]) -> set[AppId]:
    """Return the ids of those of these apps that are being deployed."""
    building = _BUILDING.where(among(builds.c.app_id, app_ids))
    releasing = [each.where(among(rollouts.c.app_id, app_ids)) for each in _RELEASING]
    return {row.app_id for row in await conn.all(union(building, *releasing))}


def is_open() -> ColumnElement[bool]:
    """Return the condition that an app is being deployed."""
    return or_(*(applications.c.id.in_(each) for each in (_BUILDING, *_RELEASING)))


async def failed_among(conn: Connection, app_ids: Collection[AppId]) -> set[AppId]:
    """Return the ids of those of these apps that were never live and whose last deploy failed."""
    failed = select(applications.c.id).where(among(applications.c.id, app_ids), has_failed())
    return {row.id for row in await conn.all(failed)}


async def last_failed(conn: Connection, app_id: AppId) -> bool:
    """Return whether the last deploy of an app failed, and was not cancelled."""
    row = await conn.first(select(is_last_failed().label("has_failed")).where(applications.c.id == app_id))
    return bool(row and row.has_failed)


def has_failed() -> ColumnElement[bool]:
    """Return the condition that an app was never live and that its last deploy failed, and was not cancelled."""
    current = releases.alias("current")
    slug_id = select(current.c.slug_id).where(current.c.id == applications.c.current_release_id).correlate(applications)
    # CASE, so that the last build of an app that is live is not looked for.
    return case((slug_id.scalar_subquery().is_(None), is_last_failed()), else_=False)


def is_last_failed() -> ColumnElement[bool]:
    """Return the condition that the last deploy of an app failed, and was not cancelled.

    The last deploy is what ended last: a build that failed, or a release. A release without a slug, which runs nothing, is no deploy.
    """
    build = (
        select(builds.c.finished_at, builds.c.cancelled_at.is_(None).label("has_failed"))
        .where(builds.c.app_id == applications.c.id, builds.c.state == BuildState.FAILED)
        .order_by(builds.c.created_at.desc())
        .limit(1)
        .correlate(applications)
    )
    release = (
        select(rollouts.c.finished_at, and_(rollouts.c.state == RolloutState.FAILED, rollouts.c.cancelled_at.is_(None)).label("has_failed"))
        .join(releases, and_(releases.c.id == rollouts.c.release_id, releases.c.slug_id.is_not(None)))
        .where(
            rollouts.c.app_id == applications.c.id,
            rollouts.c.reason == RolloutReason.RELEASE,
            rollouts.c.state.in_([RolloutState.SUCCEEDED, RolloutState.FAILED]),
        )
        .order_by(rollouts.c.number.desc())
        .limit(1)
        .correlate(applications)
    )
    ended = union_all(build, release).subquery("ended")
    last = select(ended.c.has_failed).order_by(ended.c.finished_at.desc()).limit(1)
    return func.coalesce(last.scalar_subquery(), False)


_BUILDING = select(builds.c.app_id).where(OPEN_BUILD)
# One SELECT for each state, so that each uses the partial index of its state.
_RELEASING = [
    select(rollouts.c.app_id).where(rollouts.c.state == state, rollouts.c.reason == RolloutReason.RELEASE)
    for state in (RolloutState.PENDING, RolloutState.RUNNING)
]
