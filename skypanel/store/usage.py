"""Usage of apps: the spans that triggers write (migration 0011), and the hourly totals computed from them."""

from datetime import datetime

from sqlalchemy import func, or_, select, text, update

from skypanel.domain.billing import HOUR, HourCost
from skypanel.domain.figures import Granted
from skypanel.domain.ids import OrganizationId
from skypanel.ports.database import Connection
from skypanel.store import locks
from skypanel.store.rows import Row, found, one
from skypanel.store.tables.billing import OPEN_SPAN, usage_spans
from skypanel.store.tables.organizations import organizations
from skypanel.store.tables.plans import plan_versions


async def now(conn: Connection) -> datetime:
    """Return the time of the clock that dates the spans."""
    return (await one(conn, select(func.clock_timestamp().label("now")))).now  # type: ignore[no-any-return]


async def await_changes(conn: Connection) -> None:
    """Wait until every change that triggers dated before now is visible; later changes have later times."""
    await locks.hold(conn, "usage")


async def due(conn: Connection) -> list[OrganizationId]:
    """Return the organizations with an hour that has ended and is not settled."""
    ended = organizations.c.settled_until + HOUR <= func.clock_timestamp()
    return [row.id for row in await conn.all(select(organizations.c.id).where(ended).order_by(organizations.c.settled_until))]


async def settle_unused(conn: Connection, until: datetime) -> None:
    """Mark organizations without usage since their last settlement as settled until `until`, a full hour."""
    reaches = (usage_spans.c.since < until, or_(usage_spans.c.until.is_(None), usage_spans.c.until > organizations.c.settled_until))
    used = select(usage_spans.c.id).where(usage_spans.c.organization_id == organizations.c.id, *reaches)
    await conn.execute(update(organizations).where(organizations.c.settled_until < until, ~used.exists()).values(settled_until=until))


async def settled_until(conn: Connection, organization_id: OrganizationId) -> datetime:
    """Return until when an organization's usage is settled. Raises NotFound."""
    statement = select(organizations.c.settled_until).where(organizations.c.id == organization_id)
    return (await found(conn, statement, "organization")).settled_until  # type: ignore[no-any-return]


# What each app used in each hour, or part of one, of the times in `wanted`. An app has its last name in that hour.
# The cost of an hour is rounded once, half to even (docs/adr/0013): by the remainder, because a quotient may have no end.
HOURS = """
    SELECT app_id, hour, (array_agg(app_name ORDER BY since DESC))[1] AS app_name, sum(dyno_seconds) AS dyno_seconds,
        0.000001 * (
            div(1000000 * sum(hourly_price * dyno_seconds) + 1800, 3600)
            - CASE mod(1000000 * sum(hourly_price * dyno_seconds), 7200) WHEN 1800 THEN 1 ELSE 0 END
        ) AS cost
    FROM (
        SELECT app_id, app_name, span.since, hourly_price, hour,
            quantity * extract(epoch FROM least(ends, hour + interval '1 hour') - greatest(begins, hour)) AS dyno_seconds
        FROM wanted
        JOIN paas_usage_spans span ON span.organization_id = wanted.organization_id
            AND span.since < wanted.until AND (span.until IS NULL OR span.until > wanted.since)
        CROSS JOIN LATERAL (SELECT greatest(span.since, wanted.since) AS begins, least(span.until, wanted.until) AS ends) known
        CROSS JOIN LATERAL generate_series(date_trunc('hour', begins, 'UTC'), ends - interval '1 microsecond', '1 hour') hour
        WHERE begins < ends
    ) part
    GROUP BY app_id, hour
"""
_SETTLE = """
    WITH wanted AS (
        SELECT CAST(:organization_id AS uuid) AS organization_id, CAST(:since AS timestamptz) AS since, CAST(:until AS timestamptz) AS until
    ), settled AS (
        INSERT INTO paas_resource_usage (organization_id, hour, app_id, app_name, dyno_seconds, cost)
        SELECT :organization_id, hour, app_id, app_name, dyno_seconds, cost FROM ({hours}) used
        RETURNING hour, cost
    )
    SELECT hour, sum(cost) AS cost FROM settled GROUP BY hour ORDER BY hour
"""


async def settle(conn: Connection, organization_id: OrganizationId, since: datetime, until: datetime) -> list[HourCost]:
    """Store what an organization used between two times, and mark it as settled. Return the cost of each hour, in order."""
    statement = text(_SETTLE.format(hours=HOURS))
    rows = await conn.all(statement.bindparams(organization_id=organization_id, since=since, until=until))
    await conn.execute(update(organizations).where(organizations.c.id == organization_id).values(settled_until=until))
    return [HourCost(row.hour, row.cost) for row in rows]


async def granted_in_all(conn: Connection) -> Granted:
    """Return the resources of all dynos that should run now."""
    return granted(await one(conn, select(*_GRANTED).select_from(usage_spans.outerjoin(plan_versions, _ITS_PLAN)).where(OPEN_SPAN)))


# A span keeps only the price of a plan version that is deleted.
_ITS_PLAN = plan_versions.c.id == usage_spans.c.plan_version_id
_GRANTED = (
    func.coalesce(func.sum(usage_spans.c.quantity), 0).label("dynos"),
    func.coalesce(func.sum(usage_spans.c.quantity * plan_versions.c.cpu_cores), 0).label("cpu_cores"),
    func.coalesce(func.sum(usage_spans.c.quantity * plan_versions.c.memory_bytes), 0).label("memory_bytes"),
)


def granted(row: Row) -> Granted:
    """Return the resources in a row that has the sums of `_GRANTED`."""
    return Granted(int(row.dynos), float(row.cpu_cores), int(row.memory_bytes))
