"""Plans, and their versions."""

from typing import Any

from sqlalchemy import Select, func, insert, literal, select
from sqlalchemy.dialects.postgresql import distinct_on
from sqlalchemy.dialects.postgresql import insert as upsert

from skypanel.domain.ids import PlanId
from skypanel.domain.plan import Plan, PlanOffer
from skypanel.ports.database import Connection
from skypanel.store.rows import Row, found, one
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


async def add(conn: Connection, offer: PlanOffer) -> Plan:
    """Add a plan, or a new version of the plan with that name; apps keep their version."""
    named = upsert(plans).values(name=offer.name)
    # On a conflict, the update locks the plan, so that concurrent calls number its versions one after the other.
    plan = await one(conn, named.on_conflict_do_update(index_elements=["name"], set_={"name": offer.name}).returning(plans.c.id))
    version = await one(conn, insert(plan_versions).from_select(*_next_version(plan.id, offer)).returning(plan_versions.c.id))
    return read(await one(conn, _PLANS.where(plan_versions.c.id == version.id)))


async def latest(conn: Connection, name: str) -> Plan:
    """Return the newest version of a plan. Raises NotFound."""
    return read(await found(conn, _PLANS.where(plans.c.name == name).order_by(plan_versions.c.version.desc()).limit(1), "plan"))


async def all(conn: Connection) -> list[Plan]:  # noqa: A001 - callers write plans.all
    """Return the newest version of every plan, cheapest first."""
    newest = _PLANS.ext(distinct_on(plans.c.id)).order_by(plans.c.id, plan_versions.c.version.desc()).subquery()
    return [read(row) for row in await conn.all(select(newest).order_by(newest.c.hourly_price, newest.c.name))]


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
