"""Deploys in progress: builds and new releases that have not ended."""

from collections.abc import Collection

from sqlalchemy import ColumnElement, or_, select, union

from skypanel.domain.ids import AppId
from skypanel.domain.release import RolloutReason, RolloutState
from skypanel.ports.database import Connection
from skypanel.store.sets import among
from skypanel.store.tables.apps import applications
from skypanel.store.tables.builds import OPEN_BUILD, builds
from skypanel.store.tables.releases import rollouts


async def open_among(conn: Connection, app_ids: Collection[AppId]) -> set[AppId]:
    """Return the ids of those of these apps that are being deployed."""
    building = _BUILDING.where(among(builds.c.app_id, app_ids))
    releasing = [each.where(among(rollouts.c.app_id, app_ids)) for each in _RELEASING]
    return {row.app_id for row in await conn.all(union(building, *releasing))}


def is_open() -> ColumnElement[bool]:
    """Return the condition that an app is being deployed."""
    return or_(*(applications.c.id.in_(each) for each in (_BUILDING, *_RELEASING)))


_BUILDING = select(builds.c.app_id).where(OPEN_BUILD)
# One SELECT for each state, so that each uses the partial index of its state.
_RELEASING = [
    select(rollouts.c.app_id).where(rollouts.c.state == state, rollouts.c.reason == RolloutReason.RELEASE)
    for state in (RolloutState.PENDING, RolloutState.RUNNING)
]
