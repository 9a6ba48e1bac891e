"""Webhooks of apps, their events, and the deliveries that workers send."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Subquery, delete, func, insert, or_, select, update

from skypanel.domain.ids import AccountId, AppId, WebhookDeliveryId, WebhookEventId, WebhookId
from skypanel.domain.webhook import Delivery, DeliveryStatus, Webhook, WebhookEvent, WebhookLevel
from skypanel.ports.database import Connection
from skypanel.store import leases
from skypanel.store.rows import Row, found, one
from skypanel.store.tables.accounts import accounts
from skypanel.store.tables.apps import applications
from skypanel.store.tables.webhooks import webhook_deliveries, webhook_events, webhooks

# Receivers that hang must not hold up those of other apps.
AT_ONCE_OF_APP = 2

_EVENTS = (
    select(webhook_events, applications.c.name.label("app_name"), accounts.c.email)
    .join(applications, applications.c.id == webhook_events.c.app_id)
    .outerjoin(accounts, accounts.c.id == webhook_events.c.account_id)
)
_DELIVERIES = (
    select(webhook_deliveries, webhooks.c.level, webhooks.c.url, webhook_events.c.include)
    .join(webhooks, webhooks.c.id == webhook_deliveries.c.webhook_id)
    .join(webhook_events, webhook_events.c.id == webhook_deliveries.c.event_id)
)


@dataclass(frozen=True)
class Secrets:
    """What signs a webhook, and its authorization header, encrypted."""

    secret: bytes
    authorization: bytes | None


@dataclass(frozen=True)
class Claimed:
    """A delivery that a worker has claimed, its event, and the encrypted secrets of its webhook."""

    delivery: Delivery
    event: WebhookEvent
    secrets: Secrets


async def add(conn: Connection, app_id: AppId, account_id: AccountId, values: dict[str, Any]) -> Webhook:
    """Add a webhook to an app; `values` are columns."""
    return _read(await one(conn, insert(webhooks).values(app_id=app_id, account_id=account_id, **values).returning(webhooks)))


async def change(conn: Connection, webhook_id: WebhookId, values: dict[str, Any]) -> Webhook:
    """Change some columns of a webhook. Raises NotFound."""
    changed = update(webhooks).where(webhooks.c.id == webhook_id).values(**values, updated_at=func.clock_timestamp())
    return _read(await found(conn, changed.returning(webhooks), "webhook"))


async def remove(conn: Connection, webhook_id: WebhookId) -> None:
    """Remove a webhook with its deliveries."""
    await conn.execute(delete(webhooks).where(webhooks.c.id == webhook_id))


async def clear(conn: Connection, app_id: AppId) -> None:
    """Remove all webhooks of an app, and its events."""
    await conn.execute(delete(webhooks).where(webhooks.c.app_id == app_id))
    await conn.execute(delete(webhook_events).where(webhook_events.c.app_id == app_id))


async def of(conn: Connection, app_id: AppId) -> list[Webhook]:
    """Return an app's webhooks, oldest first."""
    return [_read(row) for row in await conn.all(select(webhooks).where(webhooks.c.app_id == app_id).order_by(webhooks.c.created_at))]


async def get(conn: Connection, app_id: AppId, webhook_id: WebhookId) -> Webhook:
    """Return a webhook of an app. Raises NotFound."""
    return _read(await found(conn, select(webhooks).where(webhooks.c.id == webhook_id, webhooks.c.app_id == app_id), "webhook"))


async def deliveries(conn: Connection, app_id: AppId, limit: int, status: str = "", *, offset: int = 0) -> list[Delivery]:
    """Return an app's deliveries, newest first, without the first `offset`; `status` restricts them."""
    statement = _DELIVERIES.where(webhooks.c.app_id == app_id).order_by(webhook_deliveries.c.number.desc()).limit(limit).offset(offset)
    return [_read_delivery(row) for row in await conn.all(statement.where(webhook_deliveries.c.status == status) if status else statement)]


async def delivery(conn: Connection, app_id: AppId, delivery_id: WebhookDeliveryId) -> Delivery:
    """Return a delivery of an app. Raises NotFound."""
    statement = _DELIVERIES.where(webhooks.c.app_id == app_id, webhook_deliveries.c.id == delivery_id)
    return _read_delivery(await found(conn, statement, "delivery"))


async def events(conn: Connection, app_id: AppId, limit: int) -> list[WebhookEvent]:
    """Return an app's newest events, newest first."""
    statement = _EVENTS.where(webhook_events.c.app_id == app_id).order_by(webhook_events.c.number.desc()).limit(limit)
    return [_read_event(row) for row in await conn.all(statement)]


async def event(conn: Connection, app_id: AppId, event_id: WebhookEventId) -> WebhookEvent:
    """Return an event of an app. Raises NotFound."""
    return _read_event(await found(conn, _EVENTS.where(webhook_events.c.app_id == app_id, webhook_events.c.id == event_id), "event"))


async def claim(conn: Connection, lease_s: float) -> Claimed | None:
    """Claim the next delivery that is due, or return None. A lapsed lease lets another worker claim it.

    Organizations take turns: the one with the fewest deliveries on their way is next.
    """
    of_app, of_organization = _sending(webhooks.c.app_id), _sending(applications.c.organization_id)
    is_free = or_(webhook_deliveries.c.busy_until.is_(None), webhook_deliveries.c.busy_until <= func.now())
    due = (
        select(webhook_deliveries.c.id)
        .join(webhooks, webhooks.c.id == webhook_deliveries.c.webhook_id)
        .join(applications, applications.c.id == webhooks.c.app_id)
        .outerjoin(of_app, of_app.c.key == webhooks.c.app_id)
        .outerjoin(of_organization, of_organization.c.key == applications.c.organization_id)
        .where(webhook_deliveries.c.due_at <= func.now(), is_free, func.coalesce(of_app.c.number, 0) < AT_ONCE_OF_APP)
        .order_by(func.coalesce(of_organization.c.number, 0), webhook_deliveries.c.due_at)
        .limit(1)
        .with_for_update(of=webhook_deliveries, skip_locked=True)
    )
    values = {"attempts": webhook_deliveries.c.attempts + 1, "attempted_at": func.clock_timestamp(), "busy_until": leases.until(lease_s)}
    claimed = update(webhook_deliveries).where(webhook_deliveries.c.id == due.scalar_subquery()).values(values)
    row = await conn.first(claimed.returning(webhook_deliveries.c.id))
    return None if row is None else await _claimed(conn, row.id)


async def finish(
    conn: Connection, of_: Delivery, status: DeliveryStatus, *, code: int | None, error: str | None, due_at: datetime | None
) -> bool:
    """Record what an attempt gave; False if another worker has claimed the delivery."""
    values = {"status": status, "code": code, "error": error, "due_at": due_at, "busy_until": None}
    mine = update(webhook_deliveries).where(webhook_deliveries.c.id == of_.id, webhook_deliveries.c.attempts == of_.attempts)
    return bool(await conn.execute(mine.values(values)))


async def drop_oldest(conn: Connection, most: int, error: str) -> None:
    """Let each webhook have at most so many deliveries that wait: those beyond, the oldest, fail with `error`."""
    place = func.row_number().over(partition_by=webhook_deliveries.c.webhook_id, order_by=webhook_deliveries.c.number.desc()).label("place")
    waits = webhook_deliveries.c.due_at.is_not(None), webhook_deliveries.c.busy_until.is_(None)
    waiting = select(webhook_deliveries.c.id, place).where(*waits).subquery("waiting")
    beyond = webhook_deliveries.c.id.in_(select(waiting.c.id).where(waiting.c.place > most))
    values = {"status": DeliveryStatus.FAILED, "error": error, "due_at": None}
    await conn.execute(update(webhook_deliveries).where(beyond, *waits).values(values))


async def sweep(conn: Connection, before: datetime) -> None:
    """Delete events from before then, with their deliveries."""
    await conn.execute(delete(webhook_events).where(webhook_events.c.created_at < before))


async def secrets(conn: Connection) -> dict[WebhookId, tuple[bytes, bytes | None]]:
    """Return the secret and the authorization header of all webhooks, encrypted."""
    rows: Sequence[Row] = await conn.all(select(webhooks.c.id, webhooks.c.secret, webhooks.c.authorization))
    return {WebhookId(row.id): (bytes(row.secret), _bytes(row.authorization)) for row in rows}


async def replace_secrets(conn: Connection, webhook_id: WebhookId, secret: bytes, authorization: bytes | None) -> None:
    """Replace the secrets of a webhook with the same ones under another key."""
    await conn.execute(update(webhooks).where(webhooks.c.id == webhook_id).values(secret=secret, authorization=authorization))


def _sending(key: ColumnElement[Any]) -> Subquery:
    """Return how many deliveries are on their way, by a column of their webhook or its app. They are due until they are finished."""
    return (
        select(key.label("key"), func.count().label("number"))
        .select_from(webhook_deliveries)
        .join(webhooks, webhooks.c.id == webhook_deliveries.c.webhook_id)
        .join(applications, applications.c.id == webhooks.c.app_id)
        .where(webhook_deliveries.c.due_at <= func.now(), webhook_deliveries.c.busy_until > func.now())
        .group_by(key)
        .subquery()
    )


async def _claimed(conn: Connection, delivery_id: WebhookDeliveryId) -> Claimed:
    row = await one(
        conn, _DELIVERIES.add_columns(webhooks.c.secret, webhooks.c.authorization).where(webhook_deliveries.c.id == delivery_id)
    )
    happened = await one(conn, _EVENTS.where(webhook_events.c.id == row.event_id))
    return Claimed(_read_delivery(row), _read_event(happened), Secrets(bytes(row.secret), _bytes(row.authorization)))


def _bytes(value: Any) -> bytes | None:  # noqa: ANN401 - what the database gives
    return None if value is None else bytes(value)


def _read(row: Row) -> Webhook:
    return Webhook(row.id, row.app_id, row.url, tuple(row.include), WebhookLevel(row.level), row.created_at, row.updated_at)


def _read_event(row: Row) -> WebhookEvent:
    actor = (str(row.account_id), row.email) if row.account_id else None
    return WebhookEvent(row.id, row.app_id, row.app_name, row.include, row.action, row.resource, row.fields, actor, row.created_at)


def _read_delivery(row: Row) -> Delivery:
    return Delivery(
        id=row.id,
        webhook_id=row.webhook_id,
        level=WebhookLevel(row.level),
        url=row.url,
        event_id=row.event_id,
        include=row.include,
        status=DeliveryStatus(row.status),
        attempts=row.attempts,
        code=row.code,
        error=row.error,
        attempted_at=row.attempted_at,
        next_attempt_at=row.due_at,
        created_at=row.created_at,
    )
