"""Which stored objects the database still refers to."""

from collections.abc import Collection

from sqlalchemy import ColumnElement, FromClause, Select, and_, exists, func, or_, select

from skypanel.domain.ids import WorkId
from skypanel.domain.release import ReleaseState
from skypanel.ports.database import Connection
from skypanel.store.rows import Row
from skypanel.store.tables.apps import applications
from skypanel.store.tables.builds import OPEN_BUILD, builds, slugs
from skypanel.store.tables.releases import OPEN_ROLLOUT, releases, rollouts


async def needed_slugs(conn: Connection, digests: Collection[str], kept_releases: int | None) -> set[str]:
    """Return those of the digests whose slugs are in use or belong to an app's last releases.

    `kept_releases` counts releases that went live; None keeps the slugs of all releases.
    """
    rows = await conn.all(select(slugs.c.digest).where(slugs.c.digest.in_(digests), _needed(kept_releases)))
    return {row.digest for row in rows}


async def needed_sources(conn: Connection, digests: Collection[str], kept_releases: int | None) -> set[str]:
    """Return those of the digests that are the source of an open build, or of a build whose slug is needed."""
    slug_needed = exists().where(slugs.c.id == builds.c.slug_id, _needed(kept_releases))
    rows = await conn.all(select(builds.c.source_digest).where(builds.c.source_digest.in_(digests), or_(OPEN_BUILD, slug_needed)))
    return {row.source_digest for row in rows}


async def known_jobs(conn: Connection, ids: Collection[WorkId]) -> set[WorkId]:
    """Return those of the ids that are builds or rollouts."""
    found = [*await conn.all(select(builds.c.id).where(builds.c.id.in_(ids)))]
    found += await conn.all(select(rollouts.c.id).where(rollouts.c.id.in_(ids)))
    return {row.id for row in found}


def _needed(kept_releases: int | None) -> ColumnElement[bool]:
    """Whether a slug is needed: for a rollback, because it runs, for a rollout, or because an open build may reuse it."""
    of_slug = releases.c.slug_id == slugs.c.id
    if kept_releases is None:
        return exists().where(of_slug)
    return or_(
        exists().where(of_slug, releases.c.state == ReleaseState.PENDING),
        exists().where(of_slug, applications.c.current_release_id == releases.c.id),
        exists().where(of_slug, rollouts.c.release_id == releases.c.id, OPEN_ROLLOUT),
        _is_of_last(kept_releases),
        slugs.c.id.in_(_reusable()),
    )


def _is_of_last(kept_releases: int) -> ColumnElement[bool]:
    """Whether a slug belongs to one of its app's newest `kept_releases` releases that went live."""
    newer = releases.alias("newer")
    later = select(func.count()).where(newer.c.app_id == releases.c.app_id, _is_live(newer), newer.c.version > releases.c.version)
    return exists().where(releases.c.slug_id == slugs.c.id, _is_live(releases), later.scalar_subquery() < kept_releases)


def _is_live(table: FromClause) -> ColumnElement[bool]:
    return and_(table.c.state == ReleaseState.SUCCEEDED, table.c.slug_id.is_not(None))


def _reusable() -> Select[Row]:
    """Return the slugs that were built from a source that is being built again."""
    earlier = builds.alias("earlier")
    same_source = (earlier.c.app_id == builds.c.app_id) & (earlier.c.source_digest == builds.c.source_digest)
    return select(earlier.c.slug_id).join_from(builds, earlier, same_source).where(OPEN_BUILD, earlier.c.slug_id.is_not(None))
