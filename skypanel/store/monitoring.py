"""The state of the panel, as a monitoring system is told it: a statement for all apps, and one for all jobs."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import func, literal, select, text, union_all

from skypanel.domain.build import BuildState
from skypanel.domain.job import JobKind
from skypanel.domain.metrics import FINE
from skypanel.domain.monitoring import MOST_APPS, RECENT, MonitoredApp, QueueState
from skypanel.domain.release import RolloutState
from skypanel.ports.database import Connection
from skypanel.store.tables.builds import OPEN_BUILD, builds
from skypanel.store.tables.releases import OPEN_ROLLOUT, rollouts

_APPS = text(
    """
    SELECT listed.name, organization.name AS organization, coalesce(wanted.dynos, 0) AS wanted,
        coalesce(used.dynos, 0) AS running, coalesce(used.cpu, 0) AS cpu, coalesce(used.memory, 0) AS memory
    FROM (SELECT id, name, organization_id FROM paas_applications ORDER BY created_at, id LIMIT :most) AS listed
    JOIN paas_organizations AS organization ON organization.id = listed.organization_id
    LEFT JOIN (
        SELECT app_id, sum(quantity) AS dynos FROM paas_usage_spans WHERE until IS NULL GROUP BY app_id
    ) AS wanted ON wanted.app_id = listed.id
    LEFT JOIN (
        SELECT app_id, count(*) AS dynos, sum(newest.cpu) AS cpu, sum(newest.memory) AS memory
        FROM (
            SELECT DISTINCT ON (app_id, dyno) app_id, begins, cardinality(cpu) AS number,
                cpu[cardinality(cpu)] AS cpu, memory[cardinality(memory)] AS memory
            FROM paas_metrics WHERE step_s = :step_s AND begins >= :oldest
            ORDER BY app_id, dyno, begins DESC
        ) AS newest
        WHERE newest.begins + newest.number * :step_s * interval '1 second' > :since
        GROUP BY app_id
    ) AS used ON used.app_id = listed.id
    ORDER BY listed.name
    """
)


def _queue(kind: JobKind, table: Any, pending: str, is_open: Any) -> Any:  # noqa: ANN401 - columns of tables are Any
    waits, number = table.c.state == pending, func.count()
    return select(
        literal(kind.value).label("kind"),
        number.filter(~waits).label("running"),
        number.filter(waits).label("waiting"),
        func.coalesce(func.extract("epoch", func.clock_timestamp() - func.min(table.c.created_at).filter(waits)), 0).label("oldest_s"),
    ).where(is_open)


_QUEUES = union_all(
    _queue(JobKind.BUILD, builds, BuildState.PENDING, OPEN_BUILD),
    _queue(JobKind.ROLLOUT, rollouts, RolloutState.PENDING, OPEN_ROLLOUT),
)


async def apps(conn: Connection, now: datetime) -> Sequence[MonitoredApp]:
    """Return the apps in order of name; of very many, the oldest."""
    since = now - RECENT
    found = await conn.all(_APPS.bindparams(most=MOST_APPS, step_s=FINE.step_s, oldest=FINE.begin(since), since=since))
    return [MonitoredApp(row.name, row.organization, int(row.wanted), row.running, row.cpu, round(row.memory)) for row in found]


async def queues(conn: Connection) -> Sequence[QueueState]:
    """Return the state of each queue."""
    return [QueueState(JobKind(row.kind), row.running, row.waiting, max(0.0, float(row.oldest_s))) for row in await conn.all(_QUEUES)]
