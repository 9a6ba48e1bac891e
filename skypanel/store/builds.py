"""Builds. One worker claims a build, and no other worker ever resumes it."""

from sqlalchemy import Update, func, select, update
from sqlalchemy.dialects.postgresql import insert

from skypanel.domain.build import Build, BuildState, Source, SourceKind
from skypanel.domain.commit import Note
from skypanel.domain.errors import Conflict
from skypanel.domain.ids import AccountId, AppId, BuildId, SlugId
from skypanel.ports.database import Connection
from skypanel.store import build_queue, leases, locks
from skypanel.store.rows import Row, found, one
from skypanel.store.tables.builds import OPEN_BUILD, builds


async def add(conn: Connection, app_id: AppId, account_id: AccountId | None, source: Source) -> Build:
    """Add a pending build. Raises Conflict while another build of the app is pending or building."""
    values = {
        "app_id": app_id,
        "account_id": account_id,
        "source_kind": source.kind,
        "source_digest": source.digest,
        "source_commit": source.commit,
        "source_branch": source.branch,
        "source_subject": source.note.subject if source.note else None,
        "source_author": source.note.author if source.note else None,
        "state": BuildState.PENDING,
    }
    build = insert(builds).values(values).on_conflict_do_nothing(index_elements=["app_id"], index_where=OPEN_BUILD)
    row = await conn.first(build.returning(builds))
    if row is None:
        raise Conflict("A build of this app is under way.", "Push again when it has finished.")
    return _read(row)


async def get(conn: Connection, build_id: BuildId) -> Build:
    """Return a build. Raises NotFound."""
    return _read(await found(conn, select(builds).where(builds.c.id == build_id), "build"))


async def of_app(conn: Connection, app_id: AppId, build_id: BuildId) -> Build:
    """Return a build of an app. Raises NotFound, for a build of another app too."""
    return _read(await found(conn, select(builds).where(builds.c.id == build_id, builds.c.app_id == app_id), "build"))


async def active(conn: Connection, app_id: AppId) -> Build | None:
    """Return an app's build that is pending or building, or None."""
    return _read_if(await conn.first(select(builds).where(builds.c.app_id == app_id, OPEN_BUILD)))


async def claim(conn: Connection, worker: str, lease_s: float, of_one: int) -> Build | None:
    """Claim the next build for a worker, or return None; an organization may run at most `of_one` at once."""
    # One claim at a time, so that each claim counts the builds of the previous one.
    await locks.hold(conn, "claim of builds")
    while (next_ := await build_queue.first(conn, of_one)) is not None:
        claimed = leases.claimed(builds, next_, BuildState.BUILDING, worker, lease_s).where(builds.c.state == BuildState.PENDING)
        if (row := await conn.first(claimed.returning(builds))) is not None:  # None: it was cancelled in the meantime
            return _read(row)
    return None


async def renew(conn: Connection, build_id: BuildId, attempt: int, lease_s: float) -> bool:
    """Renew an attempt's lease; False if the lease is lost."""
    return bool(await conn.execute(leases.renewed(builds, build_id, BuildState.BUILDING, attempt, lease_s)))


async def finish(
    conn: Connection, build_id: BuildId, attempt: int, state: BuildState, *, slug_id: SlugId | None = None, error: str | None = None
) -> bool:
    """Record the result of an attempt; False if the lease is lost."""
    outcome = {"state": state, "slug_id": slug_id, "error": error}
    return bool(await conn.execute(leases.finished(builds, build_id, BuildState.BUILDING, attempt, outcome)))


async def stop(conn: Connection, app_id: AppId, error: str, build_id: BuildId | None = None) -> Build | None:
    """Cancel an app's pending or running build and return it, or None if there is none. `build_id` restricts it to that build."""
    stopped = _failed(error).values(cancelled_at=func.clock_timestamp()).where(builds.c.app_id == app_id, OPEN_BUILD)
    return _read_if(await conn.first((stopped.where(builds.c.id == build_id) if build_id else stopped).returning(builds)))


async def expire(conn: Connection, error: str) -> list[Build]:
    """Fail the builds whose lease has expired, with this error, and return them."""
    lost = _failed(error).where(builds.c.state == BuildState.BUILDING, leases.lapsed(builds))
    return [_read(row) for row in await conn.all(lost.returning(builds))]


def _failed(error: str) -> Update:
    return update(builds).values(state=BuildState.FAILED, error=error, lease_until=None, finished_at=func.clock_timestamp())


async def waiting(conn: Connection) -> int:
    """Return how many builds wait for a worker."""
    return int((await one(conn, select(func.count().label("number")).where(builds.c.state == BuildState.PENDING))).number)


async def succeeded(conn: Connection, app_id: AppId, source_digest: str) -> Build | None:
    """Return the app's newest successful build of a source whose slug still exists, or None."""
    statement = (
        select(builds)
        .where(builds.c.app_id == app_id, builds.c.source_digest == source_digest)
        .where(builds.c.state == BuildState.SUCCEEDED, builds.c.slug_id.is_not(None))
        .order_by(builds.c.created_at.desc())
        .limit(1)
    )
    return _read_if(await conn.first(statement))


async def recent(conn: Connection, app_id: AppId, limit: int) -> list[Build]:
    """Return an app's newest builds, newest first."""
    statement = select(builds).where(builds.c.app_id == app_id).order_by(builds.c.created_at.desc()).limit(limit)
    return [_read(row) for row in await conn.all(statement)]


async def page(conn: Connection, app_id: AppId, limit: int, after: BuildId | None, *, is_descending: bool) -> list[Build]:
    """Return at most `limit` of an app's builds in order of age, starting after the build `after`."""
    order = builds.c.created_at.desc() if is_descending else builds.c.created_at
    statement = select(builds).where(builds.c.app_id == app_id).order_by(order).limit(limit)
    if after is not None:
        last = builds.alias("last")
        bound = select(last.c.created_at).where(last.c.id == after, last.c.app_id == app_id).scalar_subquery()
        statement = statement.where(builds.c.created_at < bound if is_descending else builds.c.created_at > bound)
    return [_read(row) for row in await conn.all(statement)]


async def own_sources(conn: Connection, app_id: AppId) -> list[str]:
    """Return the digests of an app's sources from which no other app was built."""
    other = builds.alias("other")
    shared = select(other.c.id).where(other.c.source_digest == builds.c.source_digest, other.c.app_id != app_id)
    statement = select(builds.c.source_digest).where(builds.c.app_id == app_id, ~shared.exists()).distinct()
    return [row.source_digest for row in await conn.all(statement)]


def _read(row: Row) -> Build:
    return Build(
        id=row.id,
        app_id=row.app_id,
        account_id=row.account_id,
        source=read_source(row),
        state=BuildState(row.state),
        attempt=row.attempt,
        created_at=row.created_at,
        slug_id=row.slug_id,
        error=row.error,
        started_at=row.started_at,
        finished_at=row.finished_at,
        cancelled_at=row.cancelled_at,
    )


def read_source(row: Row) -> Source:
    """Return the source in a row with a build's columns."""
    note = None if row.source_subject is None else Note(row.source_subject, row.source_author or "")
    return Source(SourceKind(row.source_kind), row.source_digest, row.source_commit, row.source_branch, note)


def _read_if(row: Row | None) -> Build | None:
    return None if row is None else _read(row)
