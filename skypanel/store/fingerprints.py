"""Short texts that differ whenever what a page shows of an app or of a list of apps differs. The database hashes and adds up."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Select, Text, Uuid, cast, column, func, literal, select, union_all
from sqlalchemy.dialects.postgresql import ARRAY, aggregate_order_by

from skypanel.domain.ids import AppId, OrganizationId
from skypanel.ports.database import Connection
from skypanel.store import deploys
from skypanel.store.sets import among
from skypanel.store.tables.apps import applications
from skypanel.store.tables.builds import builds
from skypanel.store.tables.certificates import certificates, orders
from skypanel.store.tables.domains import domains
from skypanel.store.tables.organizations import organizations
from skypanel.store.tables.releases import rollouts

Dynos = Mapping[AppId, str]


def _last_rollout() -> ColumnElement[str]:
    own = select(func.concat(rollouts.c.id, rollouts.c.state)).where(rollouts.c.app_id == applications.c.id)
    return own.order_by(rollouts.c.number.desc()).limit(1).scalar_subquery()


def _last_build() -> ColumnElement[str]:
    own = select(func.concat(builds.c.id, builds.c.state)).where(builds.c.app_id == applications.c.id)
    return own.order_by(builds.c.created_at.desc()).limit(1).scalar_subquery()


def _domains() -> ColumnElement[str]:
    shown = func.concat(domains.c.name, domains.c.verified_at, domains.c.checked_at)
    own = select(func.md5(func.string_agg(shown, aggregate_order_by(literal("|"), domains.c.name))))
    return own.where(domains.c.app_id == applications.c.id).scalar_subquery()


def _certificates() -> ColumnElement[str]:
    newest = select(cast(func.max(certificates.c.updated_at), Text)).where(certificates.c.app_id == applications.c.id)
    shown = func.concat(orders.c.name, orders.c.step, orders.c.problem)
    of_app = select(func.md5(func.string_agg(shown, aggregate_order_by(literal("|"), orders.c.name)))).where(
        orders.c.app_id == applications.c.id
    )
    return func.concat(newest.scalar_subquery(), of_app.scalar_subquery())


_LISTED = (
    applications.c.id,
    applications.c.name,
    applications.c.current_release_id,
    applications.c.maintenance,
    organizations.c.unpaid,
    organizations.c.held,
)
_SHOWN = (*_LISTED, applications.c.generation, applications.c.plan_version_id, _last_rollout(), _last_build(), _domains(), _certificates())


async def of_apps(conn: Connection, app_ids: Collection[AppId], dynos: Dynos) -> dict[AppId, str]:
    """Return a fingerprint for each of these apps that exists: of what the database has of it, and of its dynos' texts."""
    statement = _hashed(applications.c.id, _SHOWN, dynos).where(among(applications.c.id, app_ids))
    return {row.key: str(row.hash) for row in await conn.all(statement)}


async def of_lists(
    conn: Connection, organization_ids: Collection[OrganizationId], app_ids: Collection[AppId], dynos: Dynos
) -> dict[OrganizationId | AppId, str]:
    """Return a fingerprint for the apps of each of these organizations that has any, and for each of these apps, by id.

    It changes with what a list shows of them, and when one is created or destroyed.
    """
    parts = (*_LISTED, deploys.is_open())
    of_organizations = _hashed(applications.c.organization_id, parts, dynos).where(among(applications.c.organization_id, organization_ids))
    of_apps = _hashed(applications.c.id, parts, dynos).where(among(applications.c.id, app_ids))
    return {row.key: str(row.hash) for row in await conn.all(union_all(of_organizations, of_apps))}


def _hashed(key: Any, parts: Sequence[ColumnElement[Any]], dynos: Dynos) -> Select[Any]:  # noqa: ANN401 - columns of tables are Any
    """Return the sum of the hashes of the apps of each key."""
    given = (literal(list(dynos), ARRAY(Uuid)), literal(list(dynos.values()), ARRAY(Text)))
    running = func.unnest(*given).table_valued(column("app_id", Uuid), column("dynos", Text), name="running").render_derived()
    text = func.concat_ws("|", *(cast(part, Text) for part in parts), running.c.dynos)
    return (
        select(key.label("key"), func.sum(func.hashtextextended(text, 0)).label("hash"))
        .join(organizations, organizations.c.id == applications.c.organization_id)
        .outerjoin(running, running.c.app_id == applications.c.id)
        .group_by(key)
    )
