"""What the rules of alerts look for. Each is one statement, whatever the number of apps.

Most statements are SQL, because SQLAlchemy's expressions join arrays and rows of subqueries with difficulty.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import TextClause, select, text

from skypanel.domain.ids import AppId, OrganizationId
from skypanel.domain.metrics import FINE
from skypanel.ports.database import Connection
from skypanel.store import deploys
from skypanel.store.rows import Row
from skypanel.store.tables.apps import applications

# The values that each dyno had since :slot of the row that begins at :earlier, oldest first and without gaps.
_RECENT = """
    SELECT app_id, dyno, array_remove(
        coalesce(earlier.{measure}[CAST(:slot AS integer) + 1 :], '{{}}') || coalesce(later.{measure}, '{{}}'), NULL
    ) AS seen
    FROM (SELECT * FROM paas_metrics WHERE step_s = :step_s AND begins = :earlier) earlier
    FULL JOIN (SELECT * FROM paas_metrics WHERE step_s = :step_s AND begins = :later) later USING (app_id, dyno)
"""


def _statement(sql: str, measure: str) -> TextClause:
    return text(sql.format(recent=_RECENT.format(measure=measure)))


# A dyno that was started anew counts from 0.
_CRASHES = _statement(
    """
    SELECT app.id AS app_id, app.name, min(dyno) AS dyno, max(crashes) AS crashes
    FROM (
        SELECT app_id, dyno, seen[cardinality(seen)] - CASE WHEN seen[cardinality(seen)] >= seen[1] THEN seen[1] ELSE 0 END AS crashes
        FROM ({recent}) recent
    ) counted JOIN paas_applications app ON app.id = app_id
    WHERE crashes >= :most
    GROUP BY app.id, app.name
    ORDER BY app.id
    """,
    "restarts",
)
_FULL_MEMORIES = _statement(
    """
    SELECT app.id AS app_id, app.name, min(dyno) AS dyno
    FROM ({recent}) recent
    JOIN paas_applications app ON app.id = app_id
    JOIN paas_plan_versions plan ON plan.id = app.plan_version_id
    WHERE cardinality(seen) >= :least AND seen[cardinality(seen)] >= plan.memory_bytes * :share
        AND (SELECT min(value) FROM unnest(seen) value) >= plan.memory_bytes * :share
    GROUP BY app.id, app.name
    ORDER BY app.id
    """,
    "memory",
)
# Certificates are renewed after two thirds of their time. One of a name that is its app's no more is not.
_EXPIRING = text(
    """
    SELECT certificate.id, certificate.names[1] AS name, certificate.app_id, certificate.not_after
    FROM paas_certificates certificate
    LEFT JOIN paas_applications app ON app.id = certificate.app_id
    WHERE certificate.not_after - :now < least(CAST(:left AS interval), (certificate.not_after - certificate.not_before) / 6)
        AND certificate.not_after > CAST(:now AS timestamptz) - CAST(:left AS interval)
        AND NOT EXISTS (
            SELECT FROM paas_certificates other WHERE other.names @> certificate.names AND other.not_after > certificate.not_after
        )
        AND (
            certificate.source = 'uploaded' OR certificate.app_id IS NULL OR app.name || '.' || :domain = ANY(certificate.names)
            OR EXISTS (
                SELECT FROM paas_domains domain
                WHERE domain.app_id = certificate.app_id AND domain.verified_at IS NOT NULL AND domain.name = ANY(certificate.names)
            )
        )
    ORDER BY certificate.id
    """
)
_LOW_WALLETS = text("SELECT id AS organization_id, name FROM paas_organizations WHERE warned ORDER BY id")
# Once it is told, a disk has to have some more room, so that an alert does not open and close again and again.
_FULL_DISKS = text(
    """
    SELECT name, used
    FROM (
        SELECT name, CAST(report ->> 'disk_used_bytes' AS float) / nullif(CAST(report ->> 'disk_bytes' AS float), 0) AS used
        FROM paas_nodes WHERE state <> 'removing'
    ) node
    WHERE used >= :share OR used >= :less AND EXISTS (
        SELECT FROM paas_alerts WHERE kind = 'disk_full' AND subject = name AND resolved_at IS NULL
    )
    ORDER BY name
    """
)
_STUCK_QUEUES = text(
    """
    SELECT 'builds' AS queue, count(*) AS number FROM paas_builds
    WHERE state = 'pending' AND created_at < :before
        AND NOT EXISTS (SELECT FROM paas_builds WHERE state = 'building' AND lease_until >= now())
    HAVING count(*) > 0
    UNION ALL
    SELECT 'rollouts', count(*) FROM paas_rollouts
    WHERE state = 'pending' AND created_at < :before
        AND NOT EXISTS (SELECT FROM paas_rollouts WHERE state = 'running' AND lease_until >= now())
    HAVING count(*) > 0
    """
)


@dataclass(frozen=True)
class OfApp:
    """An app with a problem; `dyno` and `number` say more where there is more to say."""

    app_id: AppId
    name: str
    dyno: str = ""
    number: int = 0


@dataclass(frozen=True)
class Expiring:
    """A certificate that is about to expire; without an app, one of the panel's own."""

    name: str
    app_id: AppId | None
    not_after: datetime


async def failed_deploys(conn: Connection) -> list[OfApp]:
    """Return the apps whose last deploy failed, unless somebody cancelled it."""
    failed = select(applications.c.id, applications.c.name).where(deploys.is_last_failed()).order_by(applications.c.id)
    return [OfApp(row.id, row.name) for row in await conn.all(failed)]


async def crashes(conn: Connection, since: datetime, most: int) -> list[OfApp]:
    """Return the apps with a dyno that crashed that often since then, at most a quarter of an hour ago."""
    return [OfApp(row.app_id, row.name, row.dyno, round(row.crashes)) for row in await conn.all(_of(_CRASHES, since).bindparams(most=most))]


async def full_memories(conn: Connection, since: datetime, share: float, least: int) -> list[OfApp]:
    """Return the apps with a dyno that has used that share of its plan's memory since then, if there are `least` measurements."""
    statement = _of(_FULL_MEMORIES, since).bindparams(share=share, least=least)
    return [OfApp(row.app_id, row.name, row.dyno) for row in await conn.all(statement)]


async def expiring(conn: Connection, now: datetime, left: timedelta, domain: str) -> list[Expiring]:
    """Return the certificates that are valid no longer than `left`, or a sixth of their time, and that nothing replaces."""
    rows: Sequence[Row] = await conn.all(_EXPIRING.bindparams(now=now, left=left, domain=domain))
    return [Expiring(row.name, row.app_id, row.not_after) for row in rows]


async def low_wallets(conn: Connection) -> list[tuple[OrganizationId, str]]:
    """Return the organizations whose wallet is low, as their owners were told, and their names."""
    return [(row.organization_id, row.name) for row in await conn.all(_LOW_WALLETS)]


async def full_disks(conn: Connection, share: float, less: float) -> list[tuple[str, float]]:
    """Return the nodes whose disks are full by a share, or by a smaller one if that was told, and the shares."""
    return [(row.name, row.used) for row in await conn.all(_FULL_DISKS.bindparams(share=share, less=less))]


async def stuck_queues(conn: Connection, before: datetime) -> list[tuple[str, int]]:
    """Return the queues in which jobs wait since before then while none is worked on, and how many do."""
    return [(row.queue, row.number) for row in await conn.all(_STUCK_QUEUES.bindparams(before=before))]


def _of(statement: TextClause, since: datetime) -> TextClause:
    """Return a statement on the measurements since a time: in the row of that time, and in the next."""
    earlier = FINE.begin(since)
    return statement.bindparams(step_s=FINE.step_s, earlier=earlier, later=earlier + FINE.span, slot=FINE.slot(since))
