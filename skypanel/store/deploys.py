"""Deploys in progress: builds and new releases that have not ended."""

from collections.abc import Collection

from sqlalchemy import select, union

from skypanel.domain.ids import AppId
from skypanel.domain.release import RolloutReason, RolloutState
from skypanel.ports.database import Connection
from skypanel.store.tables.builds import OPEN_BUILD, builds
from skypanel.store.tables.releases import rollouts


async def open_among(conn: Connection, app_ids: Collection[AppId]) -> set[AppId]:
    """Return the ids of those of these apps that are being deployed."""
    # One SELECT for each state, so that each uses the partial index of its state.
    releasing = [
        select(rollouts.c.app_id).where(
            rollouts.c.app_id.in_(app_ids), rollouts.c.state == state, rollouts.c.reason == RolloutReason.RELEASE
        )
        for state in (RolloutState.PENDING, RolloutState.RUNNING)
    ]
    building = select(builds.c.app_id).where(builds.c.app_id.in_(app_ids), OPEN_BUILD)
    return {row.app_id for row in await conn.all(union(building, *releasing))}
