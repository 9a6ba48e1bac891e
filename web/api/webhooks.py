"""Webhooks of an app: list, add, change and remove them, and show what was sent."""

from collections.abc import Sequence
from typing import Annotated, Any, TypeVar

from msgspec import UNSET, Meta, structs

from skypanel.domain.ids import WebhookDeliveryId, WebhookEventId, WebhookId
from skypanel.flow import webhooks
from web.api.bodies import Body, Maybe, Several, Text
from web.api.calls import Call, Reply
from web.api.ranges import Page, paginate
from web.api.resources import webhooks as resources

SECRET = "Heroku-Webhook-Secret"  # noqa: S105 - a header's name
Address = Annotated[str, Meta(max_length=1000)]
T = TypeVar("T")


class NewWebhook(Body):
    """A new webhook."""

    include: Several[Text]
    level: Text
    url: Address
    authorization: Text | None = None
    secret: Text | None = None


class WebhookChange(Body):
    """Changes of a webhook."""

    include: Maybe[Several[Text]] = UNSET
    level: Maybe[Text] = UNSET
    url: Maybe[Address] = UNSET
    authorization: Text | None = None
    secret: Text | None = None


async def index(call: Call) -> Page:
    """List the webhooks of an app."""
    app = await call.app()
    return paginate([resources.webhook(each, app) for each in await webhooks.of(call.panel, app)], call.range, "created_at")


async def show(call: Call) -> Reply:
    """Show a webhook."""
    app = await call.app()
    return Reply(resources.webhook(await webhooks.get(call.panel, app, _id(call)), app))


async def add(call: Call, body: NewWebhook) -> Reply:
    """Add a webhook. Only this answer has the secret that signs what it gets, in the header Heroku-Webhook-Secret."""
    app = await call.app()
    made, secret = await webhooks.add(call.panel, app, call.account, _values(body))
    return Reply(resources.webhook(made, app), 201, {SECRET: secret, "Cache-Control": "no-store"})


async def change(call: Call, body: WebhookChange) -> Reply:
    """Change a webhook."""
    app = await call.app()
    return Reply(resources.webhook(await webhooks.change(call.panel, app, call.account, _id(call), _values(body)), app))


async def remove(call: Call) -> Reply:
    """Remove a webhook, and what waits to be sent to it."""
    app = await call.app()
    return Reply(resources.webhook(await webhooks.remove(call.panel, app, call.account, _id(call)), app))


async def deliveries(call: Call) -> Page:
    """List the newest deliveries of an app, of one status if the query has eq[status]."""
    app = await call.app()
    found = await webhooks.deliveries(call.panel, app, call.range.max, call.request.query.get("eq[status]", ""))
    return _newest(call, [resources.delivery(each) for each in found])


async def delivery(call: Call) -> Reply:
    """Show a delivery."""
    app = await call.app()
    return Reply(resources.delivery(await webhooks.delivery(call.panel, app, WebhookDeliveryId(call.id("delivery", "delivery")))))


async def events(call: Call) -> Page:
    """List the newest events of an app."""
    return _newest(call, [resources.event(each) for each in await webhooks.events(call.panel, await call.app(), call.range.max)])


async def event(call: Call) -> Reply:
    """Show an event."""
    app = await call.app()
    return Reply(resources.event(await webhooks.event(call.panel, app, WebhookEventId(call.id("event", "event")))))


def _newest(call: Call, found: Sequence[T]) -> Page:
    return Page(found if call.range.is_descending else found[::-1])


def _values(body: NewWebhook | WebhookChange) -> dict[str, Any]:
    return {name: value for name, value in structs.asdict(body).items() if value is not UNSET}


def _id(call: Call) -> WebhookId:
    return WebhookId(call.id("webhook", "webhook"))
