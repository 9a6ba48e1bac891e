"""Usage of apps: the spans that triggers write (migration 0011), and the hourly totals computed from them."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import Date, Text, cast, func, insert, or_, select, update
from sqlalchemy.dialects.postgresql import ARRAY, aggregate_order_by

from skypanel.domain.billing import HOUR, AppUsage, DayUsage, HourlyUsage, UsagePeriod
from skypanel.domain.figures import Granted
from skypanel.domain.ids import AppId, OrganizationId
from skypanel.ports.database import Connection
from skypanel.store import locks
from skypanel.store.rows import Row, found, one
from skypanel.store.tables.billing import OPEN_SPAN, resource_usage, usage_spans
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


async def settle(conn: Connection, organization_id: OrganizationId, until: datetime, used: Sequence[HourlyUsage]) -> None:
    """Store an organization's usage, and mark it as settled until `until`."""
    if used:
        rows = [
            {
                "organization_id": organization_id,
                "hour": one.hour,
                "app_id": one.app_id,
                "app_name": one.app_name,
                "dyno_seconds": one.dyno_seconds,
                "cost": one.cost,
            }
            for one in used
        ]
        await conn.execute(insert(resource_usage).values(rows))
    await conn.execute(update(organizations).where(organizations.c.id == organization_id).values(settled_until=until))


async def spans(conn: Connection, organization_id: OrganizationId, since: datetime, until: datetime) -> list[UsagePeriod]:
    """Return an organization's spans that overlap a time."""
    reaches = (usage_spans.c.since < until, or_(usage_spans.c.until.is_(None), usage_spans.c.until > since))
    statement = select(usage_spans).where(usage_spans.c.organization_id == organization_id, *reaches).order_by(usage_spans.c.id)
    return [_span(row) for row in await conn.all(statement)]


async def by_app(conn: Connection, organization_id: OrganizationId, since: datetime, until: datetime) -> list[AppUsage]:
    """Return the settled usage of each app of an organization; an app has its last name."""
    names = func.array_agg(aggregate_order_by(resource_usage.c.app_name, resource_usage.c.hour.desc()), type_=ARRAY(Text))
    begins = (resource_usage.c.hour >= since, resource_usage.c.hour < until)
    statement = (
        select(
            resource_usage.c.app_id,
            names[1].label("app_name"),
            func.sum(resource_usage.c.dyno_seconds).label("dyno_seconds"),
            func.sum(resource_usage.c.cost).label("cost"),
        )
        .where(resource_usage.c.organization_id == organization_id, *begins)
        .group_by(resource_usage.c.app_id)
    )
    return [AppUsage(row.app_id, row.app_name, row.dyno_seconds, row.cost) for row in await conn.all(statement)]


async def by_day(conn: Connection, organization_id: OrganizationId, since: datetime, until: datetime) -> list[DayUsage]:
    """Return the settled usage of an organization for each UTC day that has any."""
    day = cast(func.timezone("UTC", resource_usage.c.hour), Date).label("day")
    statement = (
        select(day, func.sum(resource_usage.c.dyno_seconds).label("dyno_seconds"), func.sum(resource_usage.c.cost).label("cost"))
        .where(resource_usage.c.organization_id == organization_id, resource_usage.c.hour >= since, resource_usage.c.hour < until)
        .group_by(day)
    )
    return [DayUsage(row.day, row.dyno_seconds, row.cost) for row in await conn.all(statement)]


async def granted(conn: Connection, organization_id: OrganizationId) -> dict[AppId, Granted]:
    """Return the resources of each app of an organization for the dynos that should run now; apps without any are left out."""
    statement = _GRANTED.add_columns(usage_spans.c.app_id).group_by(usage_spans.c.app_id)
    return {row.app_id: _granted(row) for row in await conn.all(statement.where(usage_spans.c.organization_id == organization_id))}


async def granted_in_all(conn: Connection) -> Granted:
    """Return the resources of all dynos that should run now."""
    return _granted(await one(conn, _GRANTED))


# A span keeps only the price of a plan version that is deleted.
_GRANTED = (
    select(
        func.coalesce(func.sum(usage_spans.c.quantity), 0).label("dynos"),
        func.coalesce(func.sum(usage_spans.c.quantity * plan_versions.c.cpu_cores), 0).label("cpu_cores"),
        func.coalesce(func.sum(usage_spans.c.quantity * plan_versions.c.memory_bytes), 0).label("memory_bytes"),
    )
    .select_from(usage_spans)
    .outerjoin(plan_versions, plan_versions.c.id == usage_spans.c.plan_version_id)
    .where(OPEN_SPAN)
)


def _granted(row: Row) -> Granted:
    return Granted(int(row.dynos), float(row.cpu_cores), int(row.memory_bytes))


def _span(row: Row) -> UsagePeriod:
    return UsagePeriod(row.app_id, row.app_name, row.process_type, row.hourly_price, row.quantity, row.since, row.until)
