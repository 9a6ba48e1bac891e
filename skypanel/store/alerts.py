"""Alerts, and the messages about them that wait. Only one alert for each rule and subject is open at a time.

The statements are SQL where they read arrays of rows.
"""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, and_, delete, func, or_, select, text, update
from sqlalchemy.dialects.postgresql import insert

from skypanel.domain.alert import Alert, AlertFilter, AlertKind, Problem, rules_of
from skypanel.domain.ids import AccountId, AlertId
from skypanel.ports.database import Connection
from skypanel.store.rows import Row, found, one
from skypanel.store.sets import among
from skypanel.store.tables.alerts import OPEN_ALERT, alert_silences, alerts
from skypanel.store.tables.apps import applications

# What belongs to an app or organization that is gone by now is left out.
_FOUND = text(
    """
    INSERT INTO paas_alerts (kind, subject, message, organization_id, app_id, raised_at, seen_at)
    SELECT :kind, subject, message, organization_id, app_id, now(), now()
    FROM unnest(CAST(:subjects AS text[]), CAST(:messages AS text[]), CAST(:organization_ids AS uuid[]), CAST(:app_ids AS uuid[]))
        AS found (subject, message, organization_id, app_id)
    WHERE (app_id IS NULL OR app_id IN (SELECT id FROM paas_applications))
        AND (organization_id IS NULL OR organization_id IN (SELECT id FROM paas_organizations))
    ORDER BY subject
    ON CONFLICT (kind, subject) WHERE resolved_at IS NULL DO UPDATE SET seen_at = now()
    RETURNING id, raised_at = seen_at AS is_new
    """
)
_TELL_OPENED = text(
    """
    INSERT INTO paas_alert_messages (alert_id, destination_id, event, due_at)
    SELECT alert.id, destination.id, 'opened', greatest(now(), silence.until)
    FROM paas_alerts alert
    LEFT JOIN paas_applications app ON app.id = alert.app_id
    LEFT JOIN paas_alert_silences silence ON silence.kind = alert.kind AND silence.subject = alert.subject
    JOIN paas_alert_destinations destination
        ON destination.organization_id = coalesce(app.organization_id, alert.organization_id) AND alert.kind = ANY(:of_organizations)
        OR destination.organization_id IS NULL AND alert.kind = ANY(:of_admins)
    WHERE alert.id = ANY(CAST(:ids AS uuid[])) AND alert.kind <> ALL(destination.muted)
    """
)
# Who was not told that an alert opened, because it was silenced, is not told that it is resolved.
_UNTELL = text(
    """
    DELETE FROM paas_alert_messages
    WHERE alert_id = ANY(CAST(:ids AS uuid[])) AND event = 'opened' AND sent_at IS NULL AND due_at > now()
    """
)
_TELL_RESOLVED = text(
    """
    INSERT INTO paas_alert_messages (alert_id, destination_id, event)
    SELECT alert.id, told.destination_id, 'resolved'
    FROM paas_alerts alert
    JOIN paas_alert_messages told ON told.alert_id = alert.id AND told.event = 'opened'
    LEFT JOIN paas_alert_silences silence ON silence.kind = alert.kind AND silence.subject = alert.subject
    WHERE alert.id = ANY(CAST(:ids AS uuid[])) AND (silence.until IS NULL OR silence.until <= now())
    ON CONFLICT DO NOTHING
    """
)
_OF_ADMINS = tuple(rules_of(admins=True))
_OF_ORGANIZATIONS = tuple(rules_of(admins=False))
_SHOWN = select(alerts, alert_silences.c.until.label("silent_until")).outerjoin(
    alert_silences,
    (alert_silences.c.kind == alerts.c.kind) & (alert_silences.c.subject == alerts.c.subject) & (alert_silences.c.until > func.now()),
)


async def settle(conn: Connection, kind: AlertKind, problems: Sequence[Problem]) -> None:
    """Let the open alerts of a rule be those of the problems that it has found now, and leave messages about the changes."""
    await _open(conn, kind, problems)
    gone = update(alerts).where(alerts.c.kind == kind, OPEN_ALERT, ~among(alerts.c.subject, [each.subject for each in problems]))
    await _resolve(conn, gone)


async def add(conn: Connection, kind: AlertKind, problem: Problem) -> bool:
    """Open an alert; False if one is open already."""
    return bool(await _open(conn, kind, [problem]))


async def resolve(conn: Connection, kind: AlertKind, subject: str) -> bool:
    """Mark the open alert as resolved; False if none was open."""
    return bool(await _resolve(conn, update(alerts).where(alerts.c.kind == kind, alerts.c.subject == subject, OPEN_ALERT)))


async def get(conn: Connection, wanted: AlertFilter, alert_id: AlertId) -> Alert:
    """Return an open alert of those that are wanted. Raises NotFound."""
    return _read(await found(conn, _SHOWN.where(_wanted(wanted), alerts.c.id == alert_id, OPEN_ALERT), "open alert"))


async def silence(conn: Connection, alert: Alert, until: datetime, account_id: AccountId) -> None:
    """Send nothing of the rule and the subject of an alert until then."""
    values = {"until": until, "account_id": account_id}
    added = insert(alert_silences).values(kind=alert.kind, subject=alert.subject, **values)
    await conn.execute(added.on_conflict_do_update(index_elements=["kind", "subject"], set_=values))
    waiting = text("UPDATE paas_alert_messages SET due_at = :until WHERE alert_id = :id AND sent_at IS NULL")
    await conn.execute(waiting.bindparams(until=until, id=alert.id))


async def open_(conn: Connection) -> list[Alert]:
    """Return the unresolved alerts of which administrators are told, oldest first."""
    return [_read(row) for row in await conn.all(_SHOWN.where(_wanted(AlertFilter(is_open=True))).order_by(alerts.c.raised_at))]


async def history(conn: Connection, wanted: AlertFilter, *, offset: int, limit: int) -> list[Alert]:
    """Return open and resolved alerts, the open ones first and then the newest, without the first `offset`."""
    statement = (
        _SHOWN.where(_wanted(wanted)).order_by(OPEN_ALERT.desc(), alerts.c.raised_at.desc(), alerts.c.id).offset(offset).limit(limit)
    )
    return [_read(row) for row in await conn.all(statement)]


async def count(conn: Connection, wanted: AlertFilter) -> int:
    """Return how many alerts there are of those that are wanted."""
    return int((await one(conn, select(func.count().label("total")).select_from(alerts).where(_wanted(wanted)))).total)


async def sweep(conn: Connection, before: datetime) -> None:
    """Delete alerts that were resolved before then, and silences that have ended."""
    await conn.execute(delete(alerts).where(alerts.c.resolved_at < before))
    await conn.execute(delete(alert_silences).where(alert_silences.c.until < func.now()))


def _wanted(wanted: AlertFilter) -> ColumnElement[bool]:
    conditions = [_of(wanted)]
    if wanted.kind is not None:
        conditions.append(alerts.c.kind == wanted.kind)
    if wanted.is_open:
        conditions.append(OPEN_ALERT)
    return and_(*conditions)


def _of(wanted: AlertFilter) -> ColumnElement[bool]:
    if wanted.app_id is not None:
        return alerts.c.app_id == wanted.app_id
    if wanted.organization_id is not None:
        owned = select(applications.c.id).where(applications.c.organization_id == wanted.organization_id)
        return or_(alerts.c.organization_id == wanted.organization_id, alerts.c.app_id.in_(owned))
    return among(alerts.c.kind, _OF_ADMINS)


async def _open(conn: Connection, kind: AlertKind, problems: Sequence[Problem]) -> Collection[AlertId]:
    if not problems:
        return ()
    values = {
        "kind": kind,
        "subjects": [each.subject for each in problems],
        "messages": [each.message for each in problems],
        "organization_ids": [each.organization_id and str(each.organization_id) for each in problems],
        "app_ids": [each.app_id and str(each.app_id) for each in problems],
    }
    new = [row.id for row in await conn.all(_FOUND.bindparams(**values)) if row.is_new]
    if new:
        told = {"of_admins": list(_OF_ADMINS), "of_organizations": list(_OF_ORGANIZATIONS)}
        await conn.execute(_TELL_OPENED.bindparams(ids=_texts(new), **told))
    return new


async def _resolve(conn: Connection, statement: Any) -> Collection[AlertId]:  # noqa: ANN401 - an UPDATE of alerts
    ended = [row.id for row in await conn.all(statement.values(resolved_at=func.clock_timestamp()).returning(alerts.c.id))]
    if ended:
        await conn.execute(_UNTELL.bindparams(ids=_texts(ended)))
        await conn.execute(_TELL_RESOLVED.bindparams(ids=_texts(ended)))
    return ended


def _texts(ids: Collection[AlertId]) -> list[str]:
    return [str(each) for each in ids]


def _read(row: Row) -> Alert:
    return Alert(
        row.id,
        AlertKind(row.kind),
        row.subject,
        row.message,
        row.raised_at,
        row.seen_at,
        row.resolved_at,
        row.organization_id,
        row.app_id,
        row.silent_until,
    )
