"""Apps."""

from collections.abc import Collection, Sequence
from dataclasses import asdict
from uuid import UUID

from sqlalchemy import ColumnElement, Uuid, and_, bindparam, delete, func, insert, or_, select, update
from sqlalchemy.dialects.postgresql import insert as upsert

from skypanel.domain.access import Role
from skypanel.domain.app import App
from skypanel.domain.errors import Conflict
from skypanel.domain.health import HealthCheck
from skypanel.domain.http_rules import OwnHttpRules
from skypanel.domain.ids import AccountId, AppId, OrganizationId, PlanVersionId, ReleaseId, as_id
from skypanel.domain.plan import Plan
from skypanel.domain.suspension import suspension
from skypanel.ports.database import Connection
from skypanel.store import locks
from skypanel.store.rows import Row, found
from skypanel.store.sets import among
from skypanel.store.tables.apps import applications, collaborators
from skypanel.store.tables.config_vars import config_versions
from skypanel.store.tables.organizations import memberships, organizations
from skypanel.store.tables.plans import plan_versions, plans

APPS = (
    select(
        applications,
        plans.c.name.label("plan_name"),
        plan_versions.c.version,
        plan_versions.c.cpu_cores,
        plan_versions.c.memory_bytes,
        plan_versions.c.max_replicas,
        plan_versions.c.hourly_price,
        organizations.c.unpaid,
        organizations.c.held,
    )
    .join(organizations, organizations.c.id == applications.c.organization_id)
    .join(plan_versions, plan_versions.c.id == applications.c.plan_version_id)
    .join(plans, plans.c.id == plan_versions.c.plan_id)
)

# The calling account, as a parameter of prepared statements.
BY = bindparam("by", type_=Uuid)
_ACCESS = (
    APPS.add_columns(func.greatest(memberships.c.role, collaborators.c.role).label("role"))
    .outerjoin(memberships, and_(memberships.c.organization_id == applications.c.organization_id, memberships.c.account_id == BY))
    .outerjoin(collaborators, and_(collaborators.c.app_id == applications.c.id, collaborators.c.account_id == BY))
)
_ACCESS_BY_ID = _ACCESS.where(applications.c.id == bindparam("of"))
_ACCESS_BY_NAME = _ACCESS.where(applications.c.name == bindparam("of"))


async def add(conn: Connection, app_id: AppId, name: str, organization_id: OrganizationId, plan_version_id: PlanVersionId) -> App:
    """Add an app with an empty first config version. Raises Conflict if any app has the name."""
    app = upsert(applications).values(id=app_id, name=name, organization_id=organization_id, plan_version_id=plan_version_id)
    if not await conn.execute(app.on_conflict_do_nothing(index_elements=["name"])):
        raise _taken(name)
    await conn.execute(insert(config_versions).values(app_id=app_id, number=1))
    return await get(conn, app_id)


async def get(conn: Connection, app_id: AppId) -> App:
    """Return an app. Raises NotFound."""
    return read(await found(conn, APPS.where(applications.c.id == app_id), "app"))


async def existing(conn: Connection, app_ids: Collection[AppId]) -> list[AppId]:
    """Return the ids of those of these apps that exist."""
    return [row.id for row in await conn.all(select(applications.c.id).where(among(applications.c.id, app_ids)))]


async def by_name(conn: Connection, name: str) -> App | None:
    """Return the app with this name, or None."""
    row = await conn.first(APPS.where(applications.c.name == name))
    return None if row is None else read(row)


async def of(conn: Connection, account_id: AccountId) -> list[App]:
    """Return the apps that an account may see, in order of name."""
    return [read(row) for row in await conn.all(APPS.where(seen_by(account_id)).order_by(applications.c.name))]


def seen_by(account_id: AccountId | ColumnElement[UUID]) -> ColumnElement[bool]:
    """Return the condition that an account may see an app: as a member of its organization or as a collaborator."""
    own = select(memberships.c.organization_id).where(memberships.c.account_id == account_id)
    shared = select(collaborators.c.app_id).where(collaborators.c.account_id == account_id)
    return or_(applications.c.organization_id.in_(own), applications.c.id.in_(shared))


async def access(conn: Connection, text: str, account_id: AccountId) -> tuple[App, Role | None] | None:
    """Return an app by its id or name, with the account's role on it.

    The role is the higher one of member and collaborator; None if the account is neither.
    """
    # No app name is as long as a UUID.
    app_id = as_id(text)
    row = await conn.first(_ACCESS_BY_ID if app_id else _ACCESS_BY_NAME, {"by": account_id, "of": app_id or text})
    return None if row is None else (read(row), Role(row.role) if row.role else None)


async def ids(conn: Connection) -> set[AppId]:
    """Return the ids of all apps."""
    return {row.id for row in await conn.all(select(applications.c.id))}


async def by_ids(conn: Connection, app_ids: Collection[AppId]) -> list[App]:
    """Return the apps with these ids, in order of name; unknown ids are left out."""
    return [read(row) for row in await conn.all(APPS.where(among(applications.c.id, app_ids)).order_by(applications.c.name))]


async def of_organization(conn: Connection, organization_id: OrganizationId) -> list[App]:
    """Return an organization's apps, in order of name."""
    return [
        read(row) for row in await conn.all(APPS.where(applications.c.organization_id == organization_id).order_by(applications.c.name))
    ]


async def lock(conn: Connection, app_id: AppId) -> None:
    """Until the transaction ends, no other transaction can add releases or config versions of an app."""
    await locks.hold(conn, f"app {app_id}")


async def set_current_release(conn: Connection, app_id: AppId, release_id: ReleaseId | None) -> None:
    """Set an app's current release, or none."""
    await conn.execute(update(applications).where(applications.c.id == app_id).values(current_release_id=release_id))


async def restart(conn: Connection, app_id: AppId) -> int:
    """Start a new generation of an app's dynos and return its number. Raises NotFound."""
    statement = (
        update(applications)
        .where(applications.c.id == app_id)
        .values(generation=applications.c.generation + 1)
        .returning(applications.c.generation)
    )
    return int((await found(conn, statement, "app")).generation)


async def move(conn: Connection, app_id: AppId, organization_id: OrganizationId) -> None:
    """Move an app to another organization and start a new generation of its dynos.

    It skips one generation, because a restart in progress may use that one.
    """
    values = {"organization_id": organization_id, "generation": applications.c.generation + 2}
    await conn.execute(update(applications).where(applications.c.id == app_id).values(values))


async def set_plan(conn: Connection, app_id: AppId, plan_version_id: PlanVersionId) -> None:
    """Put an app on a plan and start a new generation of its dynos. It skips one generation, as `move` does."""
    values = {"plan_version_id": plan_version_id, "generation": applications.c.generation + 2}
    await conn.execute(update(applications).where(applications.c.id == app_id).values(values))


async def set_health(conn: Connection, app_id: AppId, health: HealthCheck) -> None:
    """Set how an app's health is checked."""
    values = {"health_path": health.path, "health_interval_s": health.interval_s}
    await conn.execute(update(applications).where(applications.c.id == app_id).values(values))


async def set_http_rules(conn: Connection, app_id: AppId, chosen: OwnHttpRules) -> None:
    """Set how an app's requests are served."""
    await conn.execute(update(applications).where(applications.c.id == app_id).values(asdict(chosen)))


async def set_automatic_certificates(conn: Connection, app_id: AppId, *, on: bool) -> None:
    """Set whether the panel orders certificates for an app's domains."""
    await conn.execute(update(applications).where(applications.c.id == app_id).values(automatic_certificates=on))


async def set_maintenance(conn: Connection, app_id: AppId, *, on: bool) -> None:
    """Turn maintenance mode on or off."""
    await conn.execute(update(applications).where(applications.c.id == app_id).values(maintenance=on))


async def set_repository_size(conn: Connection, app_id: AppId, size_bytes: int) -> None:
    """Record the size of an app's repository on disk."""
    await conn.execute(update(applications).where(applications.c.id == app_id).values(repository_bytes=size_bytes))


async def set_buildpacks(conn: Connection, app_id: AppId, buildpacks: Sequence[str]) -> None:
    """Set the buildpacks that build an app, in this order."""
    await conn.execute(update(applications).where(applications.c.id == app_id).values(buildpacks=list(buildpacks)))


async def set_deploy_branch(conn: Connection, app_id: AppId, branch: str | None) -> None:
    """Set the branch whose pushes deploy an app; None stands for the default ones."""
    await conn.execute(update(applications).where(applications.c.id == app_id).values(deploy_branch=branch))


async def rename(conn: Connection, app_id: AppId, name: str) -> None:
    """Rename an app. Raises Conflict if the name is taken."""
    try:
        await conn.execute(update(applications).where(applications.c.id == app_id).values(name=name))
    except Conflict as error:
        raise _taken(name) from error


async def remove(conn: Connection, app_id: AppId) -> None:
    """Delete an app with everything that belongs to it; the audit log stays."""
    await conn.execute(delete(applications).where(applications.c.id == app_id))


def _taken(name: str) -> Conflict:
    return Conflict(f"The name {name} is taken.", "Choose another name.")


def own_http_rules(row: Row) -> OwnHttpRules:
    """Return what the row of an app says of how its requests are served."""
    return OwnHttpRules(row.first_byte_timeout_s, row.idle_timeout_s, row.https_redirect)


def read(row: Row) -> App:
    """Convert a row of APPS to an app."""
    return App(
        id=row.id,
        number=row.number,
        name=row.name,
        organization_id=row.organization_id,
        plan=Plan(row.plan_version_id, row.plan_name, row.version, row.cpu_cores, row.memory_bytes, row.max_replicas, row.hourly_price),
        deploy_branch=row.deploy_branch,
        current_release_id=row.current_release_id,
        generation=row.generation,
        health=HealthCheck(row.health_path, row.health_interval_s),
        maintenance=row.maintenance,
        http=own_http_rules(row),
        buildpacks=tuple(row.buildpacks),
        created_at=row.created_at,
        suspension=suspension(held=row.held, unpaid=row.unpaid),
        repository_bytes=row.repository_bytes,
        automatic_certificates=row.automatic_certificates,
    )
