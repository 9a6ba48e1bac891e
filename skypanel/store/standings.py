"""The state of many apps at once, for reconciliation: only the columns and rows that it compares.

Each function runs one or two statements, whatever the number of apps. Most apps that should run nothing have no row in the results.
"""

from collections import defaultdict
from collections.abc import Collection
from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import ColumnElement, Text, and_, func, or_, select

from skypanel.domain.ids import AppId
from skypanel.domain.manifest import DynoKey
from skypanel.domain.release import RolloutState
from skypanel.ports.database import Connection
from skypanel.store import locks
from skypanel.store.sets import among
from skypanel.store.tables.apps import LED_ROUTE, applications, formations, routes
from skypanel.store.tables.builds import slugs
from skypanel.store.tables.organizations import organizations
from skypanel.store.tables.releases import releases, rollouts

# Process types that the slug lacks cannot run, whatever the formation says.
_WANTED = (
    select(applications.c.id, releases.c.version, applications.c.generation, formations.c.process_type, formations.c.quantity)
    .join(organizations, organizations.c.id == applications.c.organization_id)
    .join(releases, releases.c.id == applications.c.current_release_id)
    .join(slugs, slugs.c.id == releases.c.slug_id)
    .join(formations, and_(formations.c.app_id == applications.c.id, formations.c.quantity > 0))
    .where(
        ~organizations.c.unpaid,
        ~organizations.c.held,
        func.json_extract_path(slugs.c.process_types, formations.c.process_type, type_=Text).is_not(None),
    )
)
_ENDPOINTS = select(routes.c.app_id, routes.c.endpoints).where(LED_ROUTE)


@dataclass(frozen=True)
class Settled:
    """An app without an open rollout.

    It has the number of the last rollout, whether that one failed recently, and the current release.
    """

    app_id: AppId
    rollout: int | None
    release_id: AppId | None
    runnable: bool
    failed_lately: bool


async def wanted(conn: Connection, app_ids: Collection[AppId] | None = None) -> dict[AppId, frozenset[DynoKey]]:
    """Return the dynos that should run, by app, for all apps or some; apps without any are left out."""
    keys: dict[AppId, set[DynoKey]] = defaultdict(set)
    for row in await conn.all(_WANTED if app_ids is None else _WANTED.where(among(applications.c.id, app_ids))):
        keys[row.id] |= {DynoKey(row.id, row.version, row.generation, row.process_type, index + 1) for index in range(row.quantity)}
    return {app_id: frozenset(of_app) for app_id, of_app in keys.items()}


async def endpoints(conn: Connection, app_ids: Collection[AppId] | None = None) -> dict[AppId, tuple[str, ...]]:
    """Return the endpoints of routes, by app, for all apps or some; routes without endpoints are left out."""
    statement = _ENDPOINTS if app_ids is None else _ENDPOINTS.where(among(routes.c.app_id, app_ids))
    return {row.app_id: tuple(row.endpoints) for row in await conn.all(statement)}


async def suspended(conn: Connection, app_ids: Collection[AppId]) -> dict[AppId, bool]:
    """Return, for each of these apps that exists, whether it is suspended."""
    is_suspended = or_(organizations.c.unpaid, organizations.c.held).label("suspended")
    own = select(applications.c.id, is_suspended).join(organizations, organizations.c.id == applications.c.organization_id)
    return {row.id: row.suspended for row in await conn.all(own.where(among(applications.c.id, app_ids)))}


async def lock(conn: Connection, app_ids: Collection[AppId], limit: int) -> list[AppId]:
    """Lock up to `limit` of these apps and return their ids; those with the newest rollouts come first.

    It leaves out apps with an open rollout, and skips locks that others hold: no waiting means no deadlock.
    """
    chosen = (
        select(applications.c.id)
        .where(among(applications.c.id, app_ids), ~_open())
        .order_by(_newest().desc().nulls_last(), applications.c.id)
        .limit(limit)
        .subquery()
    )
    rows = await conn.all(select(chosen.c.id).where(locks.held_now(func.concat("app ", chosen.c.id))))
    return [row.id for row in rows]


async def settled(conn: Connection, app_ids: Collection[AppId], lately_s: float) -> list[Settled]:
    """Return those of these apps that have no open rollout, in order of id."""
    lately = func.coalesce(_failed_within(lately_s), False)
    statement = (
        select(
            applications.c.id,
            _newest().label("rollout"),
            applications.c.current_release_id,
            releases.c.slug_id,
            lately.label("failed_lately"),
        )
        .outerjoin(releases, releases.c.id == applications.c.current_release_id)
        .where(among(applications.c.id, app_ids), ~_open())
        .order_by(applications.c.id)
    )
    rows = await conn.all(statement)
    return [Settled(row.id, row.rollout, row.current_release_id, row.slug_id is not None, row.failed_lately) for row in rows]


def _newest() -> ColumnElement[int]:
    return select(func.max(rollouts.c.number)).where(rollouts.c.app_id == applications.c.id).scalar_subquery()


def _open() -> ColumnElement[bool]:
    """Whether an app has an open rollout; each of the two states has its own index."""
    states = (RolloutState.PENDING, RolloutState.RUNNING)
    own = [select(rollouts.c.id).where(rollouts.c.app_id == applications.c.id, rollouts.c.state == state).exists() for state in states]
    return or_(*own)


def _failed_within(lately_s: float) -> ColumnElement[bool]:
    failed = and_(rollouts.c.state == RolloutState.FAILED, rollouts.c.finished_at > func.now() - timedelta(seconds=lately_s))
    own = select(failed).where(rollouts.c.app_id == applications.c.id).order_by(rollouts.c.number.desc()).limit(1)
    return own.scalar_subquery()
