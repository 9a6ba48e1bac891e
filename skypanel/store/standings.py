"""How apps stand, read in sets: of the columns and rows of many apps none but those that tell.

Each is a statement or two, whatever the number of apps; most apps that nothing should run of have no row in them.
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
from skypanel.store.tables.apps import applications, formations, routes
from skypanel.store.tables.builds import slugs
from skypanel.store.tables.organizations import organizations
from skypanel.store.tables.releases import releases, rollouts

# What a formation has of process types that the slug has not runs nowhere.
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
_LED = select(routes.c.app_id, routes.c.endpoints).where(func.cardinality(routes.c.endpoints) > 0)


@dataclass(frozen=True)
class Settled:
    """An app of which nothing is being rolled out: the number of its last rollout, what serves, and whether the former failed lately."""

    app_id: AppId
    rollout: int | None
    release_id: AppId | None
    runnable: bool
    failed_lately: bool


async def wanted(conn: Connection, app_ids: Collection[AppId] | None = None) -> dict[AppId, frozenset[DynoKey]]:
    """Return the dynos that should run, by app, of all apps or some; apps without any are left out."""
    keys: dict[AppId, set[DynoKey]] = defaultdict(set)
    for row in await conn.all(_WANTED if app_ids is None else _WANTED.where(among(applications.c.id, app_ids))):
        keys[row.id] |= {DynoKey(row.id, row.version, row.generation, row.process_type, index + 1) for index in range(row.quantity)}
    return {app_id: frozenset(of_app) for app_id, of_app in keys.items()}


async def endpoints(conn: Connection, app_ids: Collection[AppId] | None = None) -> dict[AppId, tuple[str, ...]]:
    """Return where routes lead, by app, of all apps or some; routes that lead nowhere are left out."""
    led = _LED if app_ids is None else _LED.where(among(routes.c.app_id, app_ids))
    return {row.app_id: tuple(row.endpoints) for row in await conn.all(led)}


async def suspended(conn: Connection, app_ids: Collection[AppId]) -> dict[AppId, bool]:
    """Return which of these apps there are, and whether they are suspended."""
    is_suspended = or_(organizations.c.unpaid, organizations.c.held).label("suspended")
    own = select(applications.c.id, is_suspended).join(organizations, organizations.c.id == applications.c.organization_id)
    return {row.id: row.suspended for row in await conn.all(own.where(among(applications.c.id, app_ids)))}


async def lock(conn: Connection, app_ids: Collection[AppId], limit: int) -> list[AppId]:
    """Hold the locks of some of these apps, those that changed last first, and return which.

    Left out are those that are being rolled out, and those that somebody holds: nobody is waited for, so that none waits for another.
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
    """Return those of these apps of which nothing is being rolled out, in the order of the ids."""
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
    """Whether an app is being rolled out; each of the two states has an index of its own."""
    states = (RolloutState.PENDING, RolloutState.RUNNING)
    own = [select(rollouts.c.id).where(rollouts.c.app_id == applications.c.id, rollouts.c.state == state).exists() for state in states]
    return or_(*own)


def _failed_within(lately_s: float) -> ColumnElement[bool]:
    failed = and_(rollouts.c.state == RolloutState.FAILED, rollouts.c.finished_at > func.now() - timedelta(seconds=lately_s))
    own = select(failed).where(rollouts.c.app_id == applications.c.id).order_by(rollouts.c.number.desc()).limit(1)
    return own.scalar_subquery()
