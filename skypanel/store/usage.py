"""Usage of apps: the spans that triggers write (migration 0011), and the hourly totals computed from them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import and_, func, insert, null, or_, select, true, tuple_, update

from skypanel.domain.billing import HOUR, AppUsage, DayUsage, HourlyUsage, UsagePeriod
from skypanel.domain.figures import Granted
from skypanel.domain.ids import AppId, OrganizationId
from skypanel.ports.database import Connection
from skypanel.store import locks
from skypanel.store.rows import Row, found, no_such, one
from skypanel.store.tables.apps import applications
from skypanel.store.tables.billing import OPEN_SPAN, daily_usage, resource_usage, usage_spans
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
    statement = select(*_SPAN).where(usage_spans.c.organization_id == organization_id, *reaches).order_by(usage_spans.c.id)
    return [UsagePeriod(*row) for row in await conn.all(statement)]


@dataclass(frozen=True)
class Settled:
    """The settled usage of some days, and until when everything is settled."""

    until: datetime
    apps: Sequence[AppUsage]
    days: Sequence[DayUsage]


async def settled(
    conn: Connection, organization_id: OrganizationId, since: datetime, until: datetime, *, with_days: bool = True
) -> Settled:
    """Return what an organization used between the starts of two UTC days, by app and by day. An app has its last name. Raises NotFound.

    One statement, so that an hour that is being settled is either in it or after its end. It takes half the time without days.
    """
    day = _DAYS.day if with_days else null().label("day")
    sums = select(_DAYS.app_id, day, func.max(_DAYS.day).label("last"), *_SUMS)
    sums = sums.where(_DAYS.organization_id == organization_id, _DAYS.day >= since.date(), _DAYS.day < until.date())
    groups = func.grouping_sets(tuple_(_DAYS.app_id), tuple_(_DAYS.day)) if with_days else _DAYS.app_id
    used = sums.group_by(groups).subquery("used")
    last = daily_usage.alias("last")
    is_last = (last.c.organization_id == organizations.c.id, last.c.day == used.c.last, last.c.app_id == used.c.app_id)
    # A subquery, because a join would read the names of all days.
    name = select(last.c.app_name).where(*is_last).scalar_subquery().label("app_name")
    statement = select(organizations.c.settled_until, *used.c, name).where(organizations.c.id == organization_id)
    rows = await conn.all(statement.outerjoin_from(organizations, used, true()))
    if not rows:
        raise no_such("organization")
    return Settled(
        rows[0].settled_until,
        [AppUsage(row.app_id, row.app_name, row.dyno_seconds, row.cost) for row in rows if row.app_id],
        [DayUsage(row.day, row.dyno_seconds, row.cost) for row in rows if row.day],
    )


_DAYS = daily_usage.c
_SUMS = [func.sum(column).label(column.name) for column in (_DAYS.dyno_seconds, _DAYS.cost)]


async def granted(conn: Connection, organization_id: OrganizationId) -> dict[AppId, tuple[str, Granted]]:
    """Return the name of each app of an organization, and its resources for the dynos that should run now."""
    running = and_(usage_spans.c.app_id == applications.c.id, OPEN_SPAN)
    found = applications.outerjoin(usage_spans, running).outerjoin(plan_versions, _ITS_PLAN)
    statement = select(applications.c.id, applications.c.name, *_GRANTED).select_from(found).group_by(applications.c.id)
    rows = await conn.all(statement.where(applications.c.organization_id == organization_id))
    return {row.id: (row.name, _granted(row)) for row in rows}


async def granted_in_all(conn: Connection) -> Granted:
    """Return the resources of all dynos that should run now."""
    return _granted(await one(conn, select(*_GRANTED).select_from(usage_spans.outerjoin(plan_versions, _ITS_PLAN)).where(OPEN_SPAN)))


# A span keeps only the price of a plan version that is deleted.
_ITS_PLAN = plan_versions.c.id == usage_spans.c.plan_version_id
_GRANTED = (
    func.coalesce(func.sum(usage_spans.c.quantity), 0).label("dynos"),
    func.coalesce(func.sum(usage_spans.c.quantity * plan_versions.c.cpu_cores), 0).label("cpu_cores"),
    func.coalesce(func.sum(usage_spans.c.quantity * plan_versions.c.memory_bytes), 0).label("memory_bytes"),
)
_SPAN = [usage_spans.c[name] for name in UsagePeriod._fields]


def _granted(row: Row) -> Granted:
    return Granted(int(row.dynos), float(row.cpu_cores), int(row.memory_bytes))
