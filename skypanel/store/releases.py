"""Releases."""

from collections.abc import Collection
from datetime import datetime

from sqlalchemy import Select, func, insert, literal, select, update

from skypanel.domain.errors import NotFound
from skypanel.domain.ids import AccountId, AppId, BuildId, ConfigVersionId, ReleaseId, SlugId
from skypanel.domain.release import Release, ReleaseState
from skypanel.ports.database import Connection
from skypanel.store import apps
from skypanel.store.rows import Row, found, one
from skypanel.store.tables.releases import releases


async def add(
    conn: Connection,
    app_id: AppId,
    *,
    slug_id: SlugId | None,
    config_version_id: ConfigVersionId,
    description: str,
    account_id: AccountId | None,
    build_id: BuildId | None = None,
) -> Release:
    """Add an app's next release, in state pending. Locks the app, so that version numbers have no gaps."""
    await apps.lock(conn, app_id)
    values = {
        "app_id": literal(app_id),
        "version": func.coalesce(func.max(releases.c.version), 0) + 1,
        "slug_id": literal(slug_id, releases.c.slug_id.type),
        "config_version_id": literal(config_version_id),
        "description": literal(description),
        "account_id": literal(account_id, releases.c.account_id.type),
        "build_id": literal(build_id, releases.c.build_id.type),
        "state": literal(ReleaseState.PENDING.value),
    }
    statement = insert(releases).from_select(list(values), select(*values.values()).where(releases.c.app_id == app_id))
    return _read(await one(conn, statement.returning(releases)))


async def get(conn: Connection, release_id: ReleaseId) -> Release:
    """Return a release. Raises NotFound."""
    return _read(await found(conn, select(releases).where(releases.c.id == release_id), "release"))


async def of_app(conn: Connection, app_id: AppId, release_id: ReleaseId) -> Release:
    """Return a release of an app. Raises NotFound, for a release of another app too."""
    return _read(await found(conn, select(releases).where(releases.c.id == release_id, releases.c.app_id == app_id), "release"))


async def by_ids(conn: Connection, release_ids: Collection[ReleaseId]) -> dict[ReleaseId, Release]:
    """Return these releases, by id; unknown ids are left out."""
    rows = await conn.all(select(releases).where(releases.c.id.in_(release_ids)))
    return {row.id: _read(row) for row in rows}


async def by_version(conn: Connection, app_id: AppId, version: int) -> Release:
    """Return an app's release by version. Raises NotFound, which says which versions exist."""
    row = await conn.first(select(releases).where(releases.c.app_id == app_id, releases.c.version == version))
    if row is None:
        newest = await conn.first(_newest(app_id).limit(1))
        raise NotFound(
            f"There is no release v{version}.",
            f"Choose one from v1 to v{newest.version}." if newest else "Nothing has been released yet: push first.",
        )
    return _read(row)


async def recent(conn: Connection, app_id: AppId, limit: int, *, before: int | None = None) -> list[Release]:
    """Return an app's newest releases, newest first; with `before`, only those with a lower version."""
    newest = _newest(app_id) if before is None else _newest(app_id).where(releases.c.version < before)
    return [_read(row) for row in await conn.all(newest.limit(limit))]


async def live_before(conn: Connection, app_id: AppId, moment: datetime) -> Release | None:
    """Return an app's newest release from before then that went live with a slug, or None."""
    live = _newest(app_id).where(releases.c.state == ReleaseState.SUCCEEDED, releases.c.slug_id.is_not(None))
    return _read_if(await conn.first(live.where(releases.c.created_at < moment).limit(1)))


async def page(conn: Connection, app_id: AppId, limit: int, low: int, high: int, *, is_descending: bool) -> list[Release]:
    """Return at most `limit` of an app's releases with versions from `low` to `high`, both inclusive."""
    statement = select(releases).where(releases.c.app_id == app_id, releases.c.version.between(low, high)).limit(limit)
    order = releases.c.version.desc() if is_descending else releases.c.version
    return [_read(row) for row in await conn.all(statement.order_by(order))]


async def by_versions(conn: Connection, app_id: AppId, versions: Collection[int]) -> dict[int, Release]:
    """Return an app's releases by version; unknown versions are left out."""
    rows = await conn.all(select(releases).where(releases.c.app_id == app_id, releases.c.version.in_(versions)))
    return {row.version: _read(row) for row in rows}


async def of_build(conn: Connection, build_id: BuildId) -> Release | None:
    """Return the release that a build produced, or None."""
    return _read_if(await conn.first(select(releases).where(releases.c.build_id == build_id).limit(1)))


async def of_builds(conn: Connection, build_ids: Collection[BuildId]) -> dict[BuildId, ReleaseId]:
    """Return the ids of the releases that these builds produced, by build; builds without one are left out."""
    rows = await conn.all(select(releases.c.id, releases.c.build_id).where(releases.c.build_id.in_(build_ids)))
    return {row.build_id: row.id for row in rows}


async def finish(conn: Connection, release_id: ReleaseId, state: ReleaseState, error: str | None = None) -> bool:
    """Record the result of a pending release; False if it has already ended."""
    pending = update(releases).where(releases.c.id == release_id, releases.c.state == ReleaseState.PENDING)
    return bool(await conn.execute(pending.values(state=state, error=error)))


def _newest(app_id: AppId) -> Select[Row]:
    return select(releases).where(releases.c.app_id == app_id).order_by(releases.c.version.desc())


def _read(row: Row) -> Release:
    return Release(
        id=row.id,
        app_id=row.app_id,
        version=row.version,
        slug_id=row.slug_id,
        config_version_id=row.config_version_id,
        state=ReleaseState(row.state),
        description=row.description,
        account_id=row.account_id,
        build_id=row.build_id,
        created_at=row.created_at,
        error=row.error,
    )


def _read_if(row: Row | None) -> Release | None:
    return None if row is None else _read(row)
