"""What apps used in a period, settled or not, added up by the database: each of some apps, and the totals of all.

The hours since the last settled one are worked out from spans. One statement reads both, so that none is missed or counted twice.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from sqlalchemy import TextClause, text

from skypanel.domain.billing import AppUsage, DayUsage, Usage
from skypanel.domain.figures import AppFigures, Granted, ResourceUsage
from skypanel.domain.ids import OrganizationId
from skypanel.domain.paging import PAGE_SIZE
from skypanel.domain.period import Period
from skypanel.ports.database import Connection
from skypanel.store.rows import Row, no_such
from skypanel.store.usage import HOURS, granted

_WANTED = """
    wanted AS MATERIALIZED (
        SELECT id AS organization_id, greatest(settled_until, :since) AS since, least(:now, :until) AS until
        FROM paas_organizations WHERE id = :organization_id
    ), hours AS MATERIALIZED ({hours})
"""
# `at` tells which name of an app is its last. The days are those before and after the whole months of a period.
_USED = """
    SELECT app_id, (array_agg(app_name ORDER BY at DESC))[1] AS name, sum(dyno_seconds) AS dyno_seconds, sum(cost) AS cost
    FROM (
        SELECT app_id, month::timestamp AT TIME ZONE 'UTC' AS at, app_name, dyno_seconds, cost FROM paas_monthly_usage
        WHERE organization_id = :organization_id AND month >= :first_month AND month < :after_months
        UNION ALL
        SELECT app_id, day::timestamp AT TIME ZONE 'UTC', app_name, dyno_seconds, cost FROM paas_daily_usage
        WHERE organization_id = :organization_id
            AND (day >= :first_day AND day < :first_month OR day >= :after_months AND day < :after_days)
        UNION ALL
        SELECT app_id, hour, app_name, dyno_seconds, cost FROM hours
    ) part
    GROUP BY app_id
"""
_DEAREST = 'SELECT * FROM app ORDER BY cost DESC, name COLLATE "C" LIMIT :limit OFFSET :offset'
# An app has the hours that people read: rounded, so that those of all apps add up to their total.
# The totals are in each row, also where there is none of an app or of a day.
_PERIOD = """
    WITH {wanted}, used AS ({used}), app AS MATERIALIZED (
        SELECT app_id, name, dyno_seconds, round(dyno_seconds / 3600, 2) AS dyno_hours, cost FROM used
    ), whole AS (
        SELECT count(*) AS all_apps, coalesce(sum(dyno_hours), 0.00) AS all_dyno_hours, coalesce(sum(cost), 0) AS all_cost FROM app
    ), day AS (
        SELECT day, sum(dyno_seconds) AS dyno_seconds, sum(cost) AS cost
        FROM (
            SELECT day, dyno_seconds, cost FROM paas_daily_totals
            WHERE organization_id = :organization_id AND day >= :first_day AND day < :after_days
            UNION ALL
            SELECT CAST(hour AT TIME ZONE 'UTC' AS date), dyno_seconds, cost FROM hours
        ) part
        GROUP BY day
    )
    SELECT whole.*, part.* FROM wanted CROSS JOIN whole
    LEFT JOIN (
        SELECT CAST(NULL AS date) AS day, app_id, name, dyno_seconds, dyno_hours, cost FROM ({dearest}) shown
        UNION ALL
        SELECT day, NULL, NULL, dyno_seconds, NULL, cost FROM day
    ) part ON true
    ORDER BY cost DESC, name COLLATE "C"
"""
# A span keeps only the price of a plan version that is deleted.
_FIGURES = """
    WITH {wanted}, used AS ({used}), own AS (
        SELECT app.id AS app_id, app.name, sum(quantity) AS dynos, sum(quantity * cpu_cores) AS cpu_cores,
            sum(quantity * memory_bytes) AS memory_bytes
        FROM paas_applications app
        LEFT JOIN paas_usage_spans span ON span.app_id = app.id AND span.until IS NULL
        LEFT JOIN paas_plan_versions plan ON plan.id = span.plan_version_id
        WHERE app.organization_id = :organization_id
        GROUP BY app.id
    ), app AS MATERIALIZED (
        SELECT app_id, coalesce(own.name, used.name) AS name, coalesce(dynos, 0) AS dynos, coalesce(cpu_cores, 0) AS cpu_cores,
            coalesce(memory_bytes, 0) AS memory_bytes, round(coalesce(dyno_seconds, 0) / 3600, 2) AS dyno_hours,
            coalesce(cost, 0) AS cost
        FROM own FULL JOIN used USING (app_id)
    ), whole AS (
        SELECT count(*) AS all_apps, coalesce(sum(dynos), 0) AS all_dynos, coalesce(sum(cpu_cores), 0) AS all_cpu_cores,
            coalesce(sum(memory_bytes), 0) AS all_memory_bytes, coalesce(sum(dyno_hours), 0.00) AS all_dyno_hours,
            coalesce(sum(cost), 0) AS all_cost
        FROM app
    )
    SELECT whole.*, shown.* FROM wanted CROSS JOIN whole
    LEFT JOIN ({dearest}) shown ON true
    ORDER BY cost DESC, name COLLATE "C"
"""


def _statement(sql: str) -> TextClause:
    return text(sql.format(wanted=_WANTED.format(hours=HOURS), used=_USED, dearest=_DEAREST))


_OF_PERIOD, _OF_FIGURES = _statement(_PERIOD), _statement(_FIGURES)


@dataclass(frozen=True)
class UsageQuery:
    """What is added up: the usage of an organization in a period, as far as it has come by `now`."""

    organization_id: OrganizationId
    period: Period
    now: datetime


async def of_period(conn: Connection, query: UsageQuery, number: int | None = None) -> tuple[Usage, list[DayUsage]]:
    """Return what apps used, most expensive first, and what all used on each day. Raises NotFound.

    The apps are those of one page, or all without a number.
    """
    rows = await _shown(conn, _OF_PERIOD, query, number)
    apps = [AppUsage(row.app_id, row.name, row.dyno_seconds, row.dyno_hours, row.cost) for row in rows if row.app_id]
    days = {row.day: DayUsage(row.day, row.dyno_seconds, row.cost) for row in rows if row.day}
    used = Usage(apps, rows[0].all_apps, rows[0].all_dyno_hours, rows[0].all_cost)
    return used, [days.get(day) or DayUsage(day, Decimal(0), Decimal(0)) for day in query.period.days()]


async def figures(conn: Connection, query: UsageQuery, number: int | None = None) -> ResourceUsage:
    """Return the resources of present apps, and what they and deleted ones used, as `of_period` does. Raises NotFound."""
    rows = await _shown(conn, _OF_FIGURES, query, number)
    apps = [AppFigures(row.app_id, row.name, granted(row), row.dyno_hours, row.cost) for row in rows if row.app_id]
    whole = rows[0]
    in_all = Granted(int(whole.all_dynos), float(whole.all_cpu_cores), int(whole.all_memory_bytes))
    return ResourceUsage(apps, whole.all_apps, in_all, whole.all_dyno_hours, whole.all_cost)


async def _shown(conn: Connection, statement: TextClause, query: UsageQuery, number: int | None) -> Sequence[Row]:
    period, (first_month, after_months) = query.period, query.period.months()
    values = {
        "organization_id": query.organization_id,
        "since": period.since,
        "until": period.until,
        "now": query.now,
        "first_day": period.since.date(),
        "after_days": period.until.date(),
        "first_month": first_month,
        "after_months": after_months,
        "limit": None if number is None else PAGE_SIZE,
        "offset": 0 if number is None else (number - 1) * PAGE_SIZE,
    }
    rows = await conn.all(statement.bindparams(**values))
    if not rows:
        raise no_such("organization")
    return rows
