"""Rollouts. Only one rollout of an app runs at a time.

A newer release supersedes an older one. All other reasons ask for the same: to converge on the current release. So the newest of them
replaces the others; none of them supersedes a release.
"""

from collections.abc import Collection

from sqlalchemy import ColumnElement, FromClause, Select, and_, case, func, insert, literal, or_, select, update

from skypanel.domain.ids import AppId, ReleaseId, RolloutId
from skypanel.domain.release import ReleaseState, Rollout, RolloutReason, RolloutState
from skypanel.ports.database import Connection
from skypanel.store import leases, locks
from skypanel.store.rows import Row, found, one
from skypanel.store.sets import among
from skypanel.store.tables.apps import applications
from skypanel.store.tables.releases import OPEN_ROLLOUT, releases, rollouts

# The release phases of one organization may take minutes, so they must leave places for other organizations.
MAX_OF_ONE_ORGANIZATION = 6

_PENDING = rollouts.c.state == RolloutState.PENDING
_LAPSED = and_(rollouts.c.state == RolloutState.RUNNING, leases.lapsed(rollouts))


async def add(conn: Connection, app_id: AppId, release_id: ReleaseId, reason: RolloutReason) -> Rollout:
    """Add a pending rollout."""
    values = {"app_id": app_id, "release_id": release_id, "reason": reason, "state": RolloutState.PENDING}
    return _read(await one(conn, insert(rollouts).values(values).returning(rollouts)))


async def repair(conn: Connection, app_ids: Collection[AppId]) -> None:
    """For each of these apps with a current release, add a pending rollout that converges on it."""
    kept = select(applications.c.id, applications.c.current_release_id, literal(RolloutReason.REPAIR), literal(RolloutState.PENDING))
    serving = kept.where(among(applications.c.id, app_ids), applications.c.current_release_id.is_not(None))
    await conn.execute(insert(rollouts).from_select(["app_id", "release_id", "reason", "state"], serving))


async def get(conn: Connection, rollout_id: RolloutId) -> Rollout:
    """Return a rollout. Raises NotFound."""
    return _read(await found(conn, select(rollouts).where(rollouts.c.id == rollout_id), "rollout"))


async def claim(conn: Connection, worker: str, lease_s: float) -> Rollout | None:
    """Claim the next rollout for a worker, or return None: a pending one, or one whose lease has expired.

    Older rollouts become superseded, and so do their releases. Organizations take turns, as for builds.
    """
    await locks.hold(conn, "claim of rollouts")
    next_ = await conn.first(_turn())
    if next_ is None:
        return None
    await _supersede(conn, next_)
    claimed = leases.claimed(rollouts, next_.id, RolloutState.RUNNING, worker, lease_s)
    return _read(await one(conn, claimed.returning(rollouts)))


async def renew(conn: Connection, rollout_id: RolloutId, attempt: int, lease_s: float) -> bool:
    """Renew an attempt's lease; False if the lease is lost."""
    return bool(await conn.execute(leases.renewed(rollouts, rollout_id, RolloutState.RUNNING, attempt, lease_s)))


async def finish(conn: Connection, rollout_id: RolloutId, attempt: int, state: RolloutState, error: str | None = None) -> bool:
    """Record the result of an attempt; False if the lease is lost."""
    outcome = {"state": state, "error": error}
    return bool(await conn.execute(leases.finished(rollouts, rollout_id, RolloutState.RUNNING, attempt, outcome)))


async def cancel(conn: Connection, rollout_id: RolloutId, reason: str) -> Rollout | None:
    """Cancel a rollout and return it, or None if it has ended or is cancelled already.

    A pending one fails at once. A running one is marked, and its worker must end it.
    """
    now = func.clock_timestamp()
    values = {
        "cancelled_at": now,
        "error": reason,
        "state": case((_PENDING, RolloutState.FAILED.value), else_=rollouts.c.state),
        "finished_at": case((_PENDING, now), else_=rollouts.c.finished_at),
    }
    open_ = update(rollouts).where(rollouts.c.id == rollout_id, OPEN_ROLLOUT, rollouts.c.cancelled_at.is_(None))
    return _read_if(await conn.first(open_.values(values).returning(rollouts)))


async def cancellation(conn: Connection, rollout_id: RolloutId) -> str | None:
    """Return the reason why somebody cancelled a rollout, or None."""
    row = await conn.first(select(rollouts.c.error).where(rollouts.c.id == rollout_id, rollouts.c.cancelled_at.is_not(None)))
    return None if row is None else row.error


async def of_release(conn: Connection, release_id: ReleaseId) -> Rollout | None:
    """Return the rollout that should make a release live, or None; later scalings, restarts and repairs do not count."""
    statement = select(rollouts).where(rollouts.c.release_id == release_id, rollouts.c.reason == RolloutReason.RELEASE)
    return _read_if(await conn.first(statement.order_by(rollouts.c.number.desc()).limit(1)))


async def newest_release(conn: Connection, app_id: AppId) -> Rollout | None:
    """Return an app's newest rollout of a new release, or None."""
    statement = select(rollouts).where(rollouts.c.app_id == app_id, rollouts.c.reason == RolloutReason.RELEASE)
    return _read_if(await conn.first(statement.order_by(rollouts.c.number.desc()).limit(1)))


async def superseded(conn: Connection, rollout: Rollout) -> bool:
    """Whether a newer release of the app waits for its rollout."""
    number = select(rollouts.c.number).where(rollouts.c.id == rollout.id).scalar_subquery()
    newer = select(rollouts.c.id).where(rollouts.c.app_id == rollout.app_id, rollouts.c.number > number, _PENDING, _is_release(rollouts))
    return await conn.first(newer.limit(1)) is not None


async def waiting(conn: Connection) -> int:
    """Return how many rollouts wait for a worker."""
    return int((await one(conn, select(func.count().label("number")).where(or_(_PENDING, _LAPSED)))).number)


def _is_release(table: FromClause) -> ColumnElement[bool]:
    return table.c.reason == RolloutReason.RELEASE


def _turn() -> Select[Row]:
    load = leases.organization_load(rollouts, RolloutState.RUNNING)
    other = rollouts.alias("other")
    runs = and_(other.c.state == RolloutState.RUNNING, other.c.lease_until >= func.now())
    waits = other.c.state.in_([RolloutState.PENDING, RolloutState.RUNNING])
    same_kind = _is_release(other) == _is_release(rollouts)
    outranks = or_(and_(_is_release(other), ~_is_release(rollouts)), and_(same_kind, other.c.number > rollouts.c.number))
    hindrance = or_(runs, and_(waits, outranks))
    hindered = select(other.c.id).where(other.c.app_id == rollouts.c.app_id, other.c.id != rollouts.c.id, hindrance)
    return (
        select(rollouts.c.id, rollouts.c.app_id, rollouts.c.number, rollouts.c.release_id, rollouts.c.reason)
        .join(applications, applications.c.id == rollouts.c.app_id)
        .where(or_(_PENDING, _LAPSED), ~hindered.exists(), load < MAX_OF_ONE_ORGANIZATION)
        .order_by(load, rollouts.c.number)
        .limit(1)
        .with_for_update(of=rollouts, skip_locked=True)
    )


async def _supersede(conn: Connection, winner: Row) -> None:
    """Supersede the app's older rollouts of the winner's kind, and their releases.

    A rollout of the other kind with an expired lease ends too, because the winner converges on the same state.
    """
    same_kind = _is_release(rollouts) if winner.reason == RolloutReason.RELEASE else ~_is_release(rollouts)
    older = and_(same_kind, rollouts.c.number < winner.number, OPEN_ROLLOUT)
    overtaken = (
        update(rollouts)
        .where(rollouts.c.app_id == winner.app_id, rollouts.c.id != winner.id, or_(older, _LAPSED))
        .values(state=RolloutState.SUPERSEDED, lease_until=None, finished_at=func.clock_timestamp())
        .returning(rollouts.c.release_id)
    )
    ended = {row.release_id for row in await conn.all(overtaken)} - {winner.release_id}
    await conn.execute(
        update(releases).where(releases.c.id.in_(ended), releases.c.state == ReleaseState.PENDING).values(state=ReleaseState.SUPERSEDED)
    )


def _read(row: Row) -> Rollout:
    return Rollout(
        id=row.id,
        app_id=row.app_id,
        release_id=row.release_id,
        reason=RolloutReason(row.reason),
        state=RolloutState(row.state),
        attempt=row.attempt,
        created_at=row.created_at,
        started_at=row.started_at,
        finished_at=row.finished_at,
        cancelled_at=row.cancelled_at,
    )


def _read_if(row: Row | None) -> Rollout | None:
    return None if row is None else _read(row)
