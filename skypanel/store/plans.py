"""Plans, and their versions."""

from typing import Any

from sqlalchemy import Select, delete, func, insert, literal, select, update
from sqlalchemy.dialects.postgresql import distinct_on
from sqlalchemy.dialects.postgresql import insert as upsert

from skypanel.domain.ids import PlanId
from skypanel.domain.plan import Plan, PlanEntry, PlanOffer, PlanUse
from skypanel.ports.database import Connection
from skypanel.store.rows import Row, found, one
from skypanel.store.tables.apps import applications
from skypanel.store.tables.organizations import organizations
from skypanel.store.tables.plans import plan_versions, plans

COLUMNS = (
    plan_versions.c.id,
    plans.c.name,
    plan_versions.c.version,
    plan_versions.c.cpu_cores,
    plan_versions.c.memory_bytes,
    plan_versions.c.max_replicas,
    plan_versions.c.hourly_price,
)


_PLANS = select(*COLUMNS).join(plans, plans.c.id == plan_versions.c.plan_id)
_ENTRIES = (
    select(*COLUMNS, plans.c.id.label("plan_id"), plans.c.retired_at.is_not(None).label("is_retired"))
    .join(plans, plans.c.id == plan_versions.c.plan_id)
    .ext(distinct_on(plans.c.id))
    .order_by(plans.c.id, plan_versions.c.version.desc())
    .subquery()
)
_USERS = (
    select(
        plan_versions.c.plan_id,
        func.count().label("apps"),
        func.count().filter(applications.c.plan_version_id != _ENTRIES.c.id).label("outdated"),
    )
    .select_from(applications)
    .join(plan_versions, plan_versions.c.id == applications.c.plan_version_id)
    .join(_ENTRIES, _ENTRIES.c.plan_id == plan_versions.c.plan_id)
    .group_by(plan_versions.c.plan_id)
    .subquery()
)


async def add(conn: Connection, offer: PlanOffer) -> Plan:
    """Add a plan, or a new version of the plan with that name; apps keep their version."""
    named = upsert(plans).values(name=offer.name)
    # On a conflict, the update locks the plan, so that concurrent calls number its versions one after the other.
    plan = await one(conn, named.on_conflict_do_update(index_elements=["name"], set_={"name": offer.name}).returning(plans.c.id))
    version = await one(conn, insert(plan_versions).from_select(*_next_version(plan.id, offer)).returning(plan_versions.c.id))
    return read(await one(conn, _PLANS.where(plan_versions.c.id == version.id)))


async def latest(conn: Connection, name: str) -> Plan:
    """Return the newest version of a plan, whatever the letter case of its name. Raises NotFound."""
    newest = _PLANS.where(func.lower(plans.c.name) == name.lower()).order_by(plan_versions.c.version.desc()).limit(1)
    return read(await found(conn, newest, "plan"))


async def all(conn: Connection) -> list[Plan]:  # noqa: A001 - callers write plans.all
    """Return the newest version of every plan that is offered, cheapest first."""
    return [entry.plan for entry in await entries(conn) if not entry.is_retired]


async def entries(conn: Connection) -> list[PlanEntry]:
    """Return every plan with the number of its apps, cheapest first."""
    counts = (func.coalesce(_USERS.c.apps, 0).label("apps"), func.coalesce(_USERS.c.outdated, 0).label("outdated"))
    statement = select(_ENTRIES, *counts).outerjoin(_USERS, _USERS.c.plan_id == _ENTRIES.c.plan_id)
    rows = await conn.all(statement.order_by(_ENTRIES.c.hourly_price, _ENTRIES.c.name))
    return [PlanEntry(read(row), row.is_retired, row.apps, row.outdated) for row in rows]


async def is_retired(conn: Connection, name: str) -> bool:
    """Whether a plan is no longer offered. Raises NotFound."""
    statement = select(plans.c.retired_at).where(func.lower(plans.c.name) == name.lower())
    return (await found(conn, statement, "plan")).retired_at is not None


async def set_retired(conn: Connection, name: str, *, retired: bool) -> None:
    """Set whether a plan is retired."""
    retired_at = func.coalesce(plans.c.retired_at, func.clock_timestamp()) if retired else None
    await conn.execute(update(plans).where(plans.c.name == name).values(retired_at=retired_at))


async def uses(conn: Connection, name: str) -> list[PlanUse]:
    """Return the apps that are on any version of a plan, in order of name."""
    statement = (
        select(applications.c.name, organizations.c.name.label("organization"), plan_versions.c.version)
        .join(plan_versions, plan_versions.c.id == applications.c.plan_version_id)
        .join(plans, plans.c.id == plan_versions.c.plan_id)
        .join(organizations, organizations.c.id == applications.c.organization_id)
        .where(plans.c.name == name)
        .order_by(applications.c.name)
    )
    return [PlanUse(row.name, row.organization, row.version) for row in await conn.all(statement)]


async def remove(conn: Connection, name: str) -> None:
    """Delete a plan with its versions. Raises Conflict if an app is on one."""
    await conn.execute(delete(plans).where(plans.c.name == name))


def read(row: Row) -> Plan:
    """Convert a row of COLUMNS to a plan."""
    return Plan(row.id, row.name, row.version, row.cpu_cores, row.memory_bytes, row.max_replicas, row.hourly_price)


def _next_version(plan_id: PlanId, offer: PlanOffer) -> tuple[tuple[str, ...], Select[Any]]:
    values = {
        "plan_id": literal(plan_id),
        "version": func.coalesce(func.max(plan_versions.c.version), 0) + 1,
        "cpu_cores": literal(offer.cpu_cores),
        "memory_bytes": literal(offer.memory_bytes),
        "max_replicas": literal(offer.max_replicas),
        "hourly_price": literal(offer.hourly_price),
    }
    return tuple(values), select(*values.values()).where(plan_versions.c.plan_id == plan_id)
