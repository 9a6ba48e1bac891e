"""What dynos used: a row has the values of a dyno for some time, in arrays.

The statements are SQL, because SQLAlchemy's expressions neither fill arrays nor join several of them.
"""

from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime

from sqlalchemy import TextClause, cast, delete, func, select, text

from skypanel.domain.ids import AppId
from skypanel.domain.metrics import FINE, MINUTES, PEAKS, QUARTERS, Measure, Resolution, Series, View
from skypanel.domain.report import DynoUse
from skypanel.ports.database import Connection
from skypanel.store.tables.metrics import metrics


def _for_each(column: str) -> str:
    """Return a list of columns: `column` for each measure, whose name replaces `{}`."""
    return ", ".join(column.format(measure) for measure in Measure)


_PARTS = {
    "columns": _for_each("{}"),
    "given": _for_each("CAST(:{} AS real[])"),
    # A new row has no values before its first, and an array gets NULLs between its last value and a later one.
    "filled": _for_each("array_fill(NULL::real, ARRAY[CAST(:slot AS integer)]) || {}"),
    "assigned": _for_each("{0}[CAST(:slot AS integer) + 1] = excluded.{0}[CAST(:slot AS integer) + 1]"),
    "collected": _for_each("array_agg({} ORDER BY slot)"),
    "ordered": _for_each("array_agg({0} ORDER BY at) AS {0}"),
    "joined": ", ".join(f"{'max' if measure in PEAKS else 'avg'}(value.{measure})::real AS {measure}" for measure in Measure),
    "values": _for_each("{}").join(("unnest(", ") WITH ORDINALITY AS value (")) + _for_each("{}") + ", number)",
}


def _statement(sql: str) -> TextClause:
    return text(sql.format_map(_PARTS))


# All statements write rows in the same order, so that two at once do not wait for each other.
_RECORD = _statement(
    """
    INSERT INTO paas_metrics (app_id, step_s, begins, dyno, {columns})
    SELECT app_id, :step_s, :begins, dyno, {filled}
    FROM unnest(CAST(:app_ids AS uuid[]), CAST(:dynos AS text[]), {given}) AS found (app_id, dyno, {columns})
    WHERE app_id IN (SELECT id FROM paas_applications)
    ORDER BY app_id, dyno
    ON CONFLICT (app_id, step_s, begins, dyno) DO UPDATE SET {assigned}
    """
)
_MINUTES = _statement(
    """
    INSERT INTO paas_metrics (app_id, step_s, begins, dyno, {columns})
    SELECT app_id, :step_s, begins, dyno, {collected}
    FROM (
        SELECT app_id, begins, dyno, (number - 1) * :finest_s / :step_s AS slot, {joined}
        FROM paas_metrics, {values}
        WHERE step_s = :finest_s AND begins = :begins
        GROUP BY app_id, begins, dyno, slot
    ) AS minutes
    GROUP BY app_id, begins, dyno
    ORDER BY app_id, dyno
    ON CONFLICT DO NOTHING
    """
)
_QUARTER = _statement(
    """
    INSERT INTO paas_metrics (app_id, step_s, begins, dyno, {columns})
    SELECT app_id, :step_s, :day, dyno, {filled}
    FROM (
        SELECT app_id, dyno, {joined}
        FROM paas_metrics, {values}
        WHERE step_s = :finest_s AND begins = :begins
        GROUP BY app_id, dyno
    ) AS quarter
    ORDER BY app_id, dyno
    ON CONFLICT (app_id, step_s, begins, dyno) DO UPDATE SET {assigned}
    """
)
# What is not rolled up yet is read from the finest rows.
_READ = _statement(
    """
    SELECT dyno, array_agg(at ORDER BY at) AS times, {ordered}
    FROM (
        SELECT dyno, (extract(epoch FROM begins)::bigint + (number - 1) * step_s) / :shown_s * :shown_s AS at, {joined}
        FROM paas_metrics, {values}
        WHERE app_id = :app_id AND begins >= :since AND (
            step_s = :step_s
            OR step_s = :finest_s AND begins > coalesce(
                (SELECT max(begins) FROM paas_metrics WHERE app_id = :app_id AND step_s = :rolled_s), '-infinity'
            )
        )
        GROUP BY dyno, at
    ) AS points
    WHERE at >= :first_s
    GROUP BY dyno
    ORDER BY dyno
    """
)
# Dynos are added up for each value first, and then the mean of several values is one point.
_CPU = text(
    """
    SELECT app_id, array_agg(at ORDER BY at) AS times, array_agg(cpu ORDER BY at) AS cpu
    FROM (
        SELECT app_id, moment / :shown_s * :shown_s AS at, avg(cpu) AS cpu
        FROM (
            SELECT app_id, extract(epoch FROM begins)::bigint + (number - 1) * step_s AS moment, sum(value)::double precision AS cpu
            FROM paas_metrics, unnest(cpu) WITH ORDINALITY AS value (value, number)
            WHERE app_id = ANY (CAST(:app_ids AS uuid[])) AND step_s = :step_s AND begins >= :since AND value IS NOT NULL
            GROUP BY app_id, moment
        ) AS moments
        WHERE moment >= :first_s
        GROUP BY app_id, at
    ) AS points
    GROUP BY app_id
    """
)
_ROLLED = (
    select(func.coalesce(func.max(metrics.c.begins), cast("-infinity", metrics.c.begins.type)))
    .where(metrics.c.step_s == MINUTES.step_s)
    .scalar_subquery()
)


async def record(conn: Connection, moment: datetime, uses: Sequence[DynoUse]) -> None:
    """Record what some dynos use at a moment, in one statement. Dynos of apps that are gone are left out."""
    values = {
        "app_ids": [str(use.app_id) for use in uses],
        "dynos": [use.name for use in uses],
        "cpu": [use.cpu_cores for use in uses],
        "memory": [use.memory_bytes for use in uses],
        "disk": [use.disk_bytes for use in uses],
        "received": [use.received_bytes_s for use in uses],
        "sent": [use.sent_bytes_s for use in uses],
        "restarts": [use.restarts for use in uses],
    }
    place = {"step_s": FINE.step_s, "begins": FINE.begin(moment), "slot": FINE.slot(moment)}
    await conn.execute(_RECORD.bindparams(**place, **values))


async def unrolled(conn: Connection, until: datetime) -> Sequence[datetime]:
    """Return the quarters of an hour with values that are not rolled up, of those that begin before a time."""
    statement = select(metrics.c.begins).where(metrics.c.step_s == FINE.step_s, metrics.c.begins > _ROLLED, metrics.c.begins < until)
    return [row.begins for row in await conn.all(statement.distinct().order_by(metrics.c.begins))]


async def roll_up(conn: Connection, begins: datetime) -> None:
    """Write the values of a quarter of an hour to the rows of the coarser resolutions. Idempotent."""
    finest = {"finest_s": FINE.step_s, "begins": begins}
    await conn.execute(_MINUTES.bindparams(**finest, step_s=MINUTES.step_s))
    await conn.execute(_QUARTER.bindparams(**finest, step_s=QUARTERS.step_s, day=QUARTERS.begin(begins), slot=QUARTERS.slot(begins)))


async def expire(conn: Connection, resolution: Resolution, before: datetime) -> None:
    """Delete the rows of a resolution that end before a time."""
    await conn.execute(delete(metrics).where(metrics.c.step_s == resolution.step_s, metrics.c.begins < before - resolution.span))


async def read(conn: Connection, app_id: AppId, view: View, times: Sequence[int]) -> list[Series]:
    """Return the values of each dyno of an app at these times, in seconds since 1970, in order of name."""
    since = view.resolution.begin(datetime.fromtimestamp(times[0], UTC))
    steps = {"step_s": view.resolution.step_s, "shown_s": view.step_s, "finest_s": FINE.step_s, "rolled_s": MINUTES.step_s}
    rows = await conn.all(_READ.bindparams(app_id=app_id, since=since, first_s=times[0], **steps))
    return [Series(row.dyno, {measure: _at(times, row.times, getattr(row, measure)) for measure in Measure}) for row in rows]


def _at(times: Sequence[int], known: Sequence[int], values: Sequence[float | None]) -> list[float | None]:
    """Return the values at these times: of those that are known at others, and None elsewhere."""
    return list(map(dict(zip(known, values, strict=True)).get, times))


async def cpu(conn: Connection, app_ids: Collection[AppId], view: View, times: Sequence[int]) -> Mapping[AppId, Sequence[float | None]]:
    """Return the CPU cores of all dynos of each app together, at these times; apps without a value are left out."""
    values = {"app_ids": [str(app_id) for app_id in app_ids], "step_s": view.resolution.step_s, "shown_s": view.step_s}
    since = view.resolution.begin(datetime.fromtimestamp(times[0], UTC))
    rows = await conn.all(_CPU.bindparams(**values, since=since, first_s=times[0]))
    return {AppId(row.app_id): _at(times, row.times, row.cpu) for row in rows}
