"""Webhooks of apps, in Heroku's shape."""

from typing import Any, Literal

from skypanel.domain import webhook as rules
from skypanel.domain.app import App
from skypanel.domain.identity import derived_id
from web.api.resources.apps import app_ref
from web.api.resources.common import Count, Id, Named, Resource, Time, Url, time


class Webhook(Resource, kw_only=True):
    """A URL that gets what happens to an app."""

    id: Id
    app: Named
    created_at: Time
    include: list[str]
    level: rules.WebhookLevel
    updated_at: Time
    url: Url


class DeliveredEvent(Resource):
    """The event of a delivery."""

    id: Id
    include: str


class DeliveringWebhook(Resource):
    """The webhook of a delivery."""

    id: Id
    level: rules.WebhookLevel


class Attempt(Resource, kw_only=True):
    """The last attempt of a delivery: the status code that it got, or why it got none."""

    id: Id
    code: int | None
    created_at: Time
    error_class: str | None
    status: Literal["succeeded", "failed"]
    updated_at: Time


class WebhookDelivery(Resource, kw_only=True):
    """An event for one webhook."""

    id: Id
    created_at: Time
    event: DeliveredEvent
    last_attempt: Attempt | None
    next_attempt_at: Time | None
    num_attempts: Count
    status: rules.DeliveryStatus
    updated_at: Time
    webhook: DeliveringWebhook


class WebhookEvent(Resource, kw_only=True):
    """Something that happened to an app; the payload is what webhooks get."""

    id: Id
    created_at: Time
    include: str
    payload: dict[str, Any]
    updated_at: Time


def webhook(of: rules.Webhook, app: App) -> Webhook:
    """Return a webhook."""
    return Webhook(
        id=str(of.id),
        app=app_ref(app),
        created_at=time(of.created_at),
        include=list(of.include),
        level=of.level,
        updated_at=time(of.updated_at),
        url=of.url,
    )


def delivery(of: rules.Delivery) -> WebhookDelivery:
    """Return a delivery."""
    attempted = of.attempted_at or of.created_at
    return WebhookDelivery(
        id=str(of.id),
        created_at=time(of.created_at),
        event=DeliveredEvent(id=str(of.event_id), include=of.include),
        last_attempt=_attempt(of) if of.attempts else None,
        next_attempt_at=time(of.next_attempt_at) if of.next_attempt_at else None,
        num_attempts=of.attempts,
        status=of.status,
        updated_at=time(attempted),
        webhook=DeliveringWebhook(id=str(of.webhook_id), level=of.level),
    )


def event(of: rules.WebhookEvent) -> WebhookEvent:
    """Return an event."""
    made = time(of.created_at)
    return WebhookEvent(id=str(of.id), created_at=made, include=of.include, payload=rules.payload(of), updated_at=made)


def _attempt(of: rules.Delivery) -> Attempt:
    at = time(of.attempted_at or of.created_at)
    return Attempt(
        id=str(derived_id(of.id, "attempt", str(of.attempts))),
        code=of.code,
        created_at=at,
        error_class=of.error,
        status="failed" if of.error or not of.code else "succeeded",
        updated_at=at,
    )
