"""The fair queue of builds: the order of claims, and the position of each build.

The builds of one organization keep the order of their pushes. Between organizations, each build counts the builds of its own organization
that run or are ahead of it. The build with the fewest is next. Among equals, it is the organization whose last build started longest ago.
"""

from datetime import timedelta
from uuid import UUID

from sqlalchemy import CTE, ColumnElement, func, select

from skypanel.domain.build import BuildState, QueuePosition
from skypanel.domain.ids import BuildId
from skypanel.ports.database import Connection
from skypanel.store import leases
from skypanel.store.rows import one
from skypanel.store.tables.apps import applications
from skypanel.store.tables.builds import builds

# Builds that were requested longer ago than this do not count as an organization's last turn.
REMEMBERED = timedelta(hours=1)

_PENDING = builds.c.state == BuildState.PENDING
_RUNNING = (builds.c.state == BuildState.BUILDING) & (builds.c.lease_until >= func.now())


async def first(conn: Connection, of_one: int) -> BuildId | None:
    """Return the next build to claim, or None; an organization may run at most `of_one`."""
    queue = _queue()
    row = await conn.first(select(queue.c.id).where(queue.c.load <= of_one).order_by(queue.c.place).limit(1))
    return None if row is None else BuildId(UUID(str(row.id)))


async def turn(conn: Connection, build_id: BuildId, of_one: int) -> QueuePosition | None:
    """Return the position of a build, or None once it is no longer pending."""
    queue = _queue()
    row = await conn.first(select(queue.c.place, queue.c.load).where(queue.c.id == build_id))
    if row is None:
        return None
    running = (await one(conn, select(func.count().label("number")).where(_RUNNING))).number
    return QueuePosition(running + row.place - 1, of_one if row.load > of_one else None)


def _queue() -> CTE:
    """Return the pending builds; `load` is a build's number within its organization, counting running ones first."""
    owner = applications.c.organization_id
    pending = select(builds.c.id, builds.c.created_at, owner).join_from(builds, applications).where(_PENDING).cte("pending")
    shares = _shares(pending)
    load = (shares.c.running + func.row_number().over(partition_by=pending.c.organization_id, order_by=_age(pending))).label("load")
    joined = pending.join(shares, shares.c.organization_id == pending.c.organization_id)
    ranked = select(pending.c.id, pending.c.created_at, shares.c.served_at, load).select_from(joined).cte("ranked")
    order = (ranked.c.load, ranked.c.served_at.nulls_first(), *_age(ranked))
    return select(ranked.c.id, ranked.c.load, func.row_number().over(order_by=order).label("place")).cte("queue")


def _shares(pending: CTE) -> CTE:
    """Return, for each organization with pending builds, how many it runs and when its last turn began."""
    waiting = select(pending.c.organization_id).distinct().cte("waiting")
    work, owner = builds.alias(), applications.alias()
    own = (
        select(func.max(work.c.started_at))
        .join_from(work, owner, owner.c.id == work.c.app_id)
        .where(owner.c.organization_id == waiting.c.organization_id, work.c.created_at > func.now() - REMEMBERED)
    )
    running = leases.organization_load(builds, BuildState.BUILDING, waiting)
    return select(waiting, running.label("running"), own.correlate(waiting).scalar_subquery().label("served_at")).cte("shares")


def _age(table: CTE) -> tuple[ColumnElement[object], ...]:
    return table.c.created_at, table.c.id
