"""Short texts that differ whenever what a page shows of an app differs."""

from collections.abc import Collection

from sqlalchemy import ColumnElement, Text, cast, func, select

from skypanel.domain.ids import AppId
from skypanel.ports.database import Connection
from skypanel.store.rows import one
from skypanel.store.sets import among
from skypanel.store.tables.apps import applications
from skypanel.store.tables.builds import builds
from skypanel.store.tables.organizations import organizations
from skypanel.store.tables.releases import rollouts


def _last_rollout() -> ColumnElement[str]:
    own = select(func.concat(rollouts.c.id, rollouts.c.state)).where(rollouts.c.app_id == applications.c.id)
    return own.order_by(rollouts.c.number.desc()).limit(1).scalar_subquery()


def _last_build() -> ColumnElement[str]:
    own = select(func.concat(builds.c.id, builds.c.state)).where(builds.c.app_id == applications.c.id)
    return own.order_by(builds.c.created_at.desc()).limit(1).scalar_subquery()


_PARTS = (
    applications.c.name,
    applications.c.current_release_id,
    applications.c.maintenance,
    applications.c.generation,
    applications.c.plan_version_id,
    organizations.c.unpaid,
    organizations.c.held,
    _last_rollout(),
    _last_build(),
)
_APPS = select(applications.c.id, func.concat_ws("|", *(cast(part, Text) for part in _PARTS)).label("text")).join(
    organizations, organizations.c.id == applications.c.organization_id
)


async def of_apps(conn: Connection, app_ids: Collection[AppId]) -> dict[AppId, str]:
    """Return a fingerprint for each of these apps that exists: its row, its last build and its last rollout."""
    return {row.id: row.text for row in await conn.all(_APPS.where(among(applications.c.id, app_ids)))}


async def of_list(conn: Connection) -> str:
    """Return a text that changes when an app is created or destroyed."""
    statement = select(func.count().label("number"), func.max(applications.c.number).label("newest")).select_from(applications)
    row = await one(conn, statement)
    return f"{row.number} {row.newest}"
