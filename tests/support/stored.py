"""What tests ask the tables, and the panel never does."""

from datetime import timedelta

from sqlalchemy import func, select

from skypanel.domain.release import RolloutState
from skypanel.store import rollouts
from skypanel.store.tables.releases import OPEN_ROLLOUT
from skypanel.store.tables.releases import rollouts as table


async def active_rollout(conn, app_id):
    """Return an app's newest rollout that is pending or running, or None."""
    row = await conn.first(select(table.c.id).where(table.c.app_id == app_id, OPEN_ROLLOUT).order_by(table.c.number.desc()).limit(1))
    return None if row is None else await rollouts.get(conn, row.id)


async def failed_lately(conn, app_id, within_s):
    """Whether an app's newest rollout failed within the last `within_s` seconds."""
    newest = select(table).where(table.c.app_id == app_id).order_by(table.c.number.desc()).limit(1).subquery()
    lately = newest.c.finished_at > func.now() - timedelta(seconds=within_s)
    return await conn.first(select(newest.c.id).where(newest.c.state == RolloutState.FAILED, lately)) is not None
