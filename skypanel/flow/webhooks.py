"""Webhooks: choose what an app tells which URL, and send it. Triggers of the database write down what happens."""

import secrets as random
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from skypanel.domain import webhook as rules
from skypanel.domain.account import Account
from skypanel.domain.app import App
from skypanel.domain.audit import AuditAction
from skypanel.domain.errors import Conflict, Denied, Unavailable
from skypanel.domain.ids import WebhookDeliveryId, WebhookEventId, WebhookId
from skypanel.domain.internet import Network
from skypanel.domain.webhook import Delivery, DeliveryStatus, Posting, Webhook, WebhookEvent
from skypanel.flow import audit
from skypanel.flow.configured import receiver_networks
from skypanel.flow.drain import drain
from skypanel.ports.panel import Panel
from skypanel.ports.receivers import POST_S
from skypanel.store import apps, webhooks
from skypanel.store.webhooks import Claimed

AT_ONCE = 8
LEASE_S = 3 * POST_S
SECRET_BYTES = 32
OK = range(200, 300)
MOVED = range(300, 400)


async def of(panel: Panel, app: App) -> Sequence[Webhook]:
    """Return an app's webhooks, oldest first."""
    async with panel.autocommit() as conn:
        return await webhooks.of(conn, app.id)


async def get(panel: Panel, app: App, webhook_id: WebhookId) -> Webhook:
    """Return a webhook of an app. Raises NotFound."""
    async with panel.autocommit() as conn:
        return await webhooks.get(conn, app.id, webhook_id)


async def add(panel: Panel, app: App, by: Account, values: Mapping[str, Any]) -> tuple[Webhook, str]:
    """Add a webhook, and return it with its secret, which is shown once. Without a secret in `values`, it gets a random one.

    `values` has url, include and level, and may have secret and authorization. Raises Invalid, Denied, Unavailable, and Conflict if the app
    has too many.
    """
    secret = values.get("secret") or new_secret()
    columns = await _columns(panel, {**values, "secret": secret})
    async with panel.transaction() as conn:
        await apps.lock(conn, app.id)
        if len(await webhooks.of(conn, app.id)) >= rules.MAX_WEBHOOKS:
            raise Conflict(f"{app.name} has {rules.MAX_WEBHOOKS} webhooks already.", "Remove one first.")
        webhook = await webhooks.add(conn, app.id, by.id, columns)
        await audit.record(conn, AuditAction.WEBHOOK_ADD, by, app, host=webhook.host, include=list(webhook.include), level=webhook.level)
    return webhook, secret


def new_secret() -> str:
    """Return a random secret for a webhook."""
    return random.token_hex(SECRET_BYTES)


async def change(panel: Panel, app: App, by: Account, webhook_id: WebhookId, values: Mapping[str, Any]) -> Webhook:
    """Change what `values` has of a webhook, as for `add`. Raises NotFound too.

    Its authorization header is for the server that it was given for: another one gets none, unless `values` has one.
    """
    columns = await _columns(panel, values)
    async with panel.transaction() as conn:
        before = await webhooks.get(conn, app.id, webhook_id)
        if "url" in columns and not rules.is_same_server(before.url, columns["url"]):
            columns = {"authorization": None, **columns}
        webhook = await webhooks.change(conn, webhook_id, columns)
        await audit.record(conn, AuditAction.WEBHOOK_CHANGE, by, app, host=webhook.host, changed=sorted(columns))
    return webhook


async def remove(panel: Panel, app: App, by: Account, webhook_id: WebhookId) -> Webhook:
    """Remove a webhook and what waits for it. Raises NotFound."""
    async with panel.transaction() as conn:
        webhook = await webhooks.get(conn, app.id, webhook_id)
        await webhooks.remove(conn, webhook_id)
        await audit.record(conn, AuditAction.WEBHOOK_REMOVE, by, app, host=webhook.host)
    return webhook


async def deliveries(panel: Panel, app: App, limit: int, status: str = "", *, offset: int = 0) -> Sequence[Delivery]:
    """Return at most `limit` of an app's deliveries, newest first, without the first `offset`; `status` restricts them."""
    async with panel.autocommit() as conn:
        return await webhooks.deliveries(conn, app.id, limit, status, offset=offset)


async def delivery(panel: Panel, app: App, delivery_id: WebhookDeliveryId) -> Delivery:
    """Return a delivery of an app. Raises NotFound."""
    async with panel.autocommit() as conn:
        return await webhooks.delivery(conn, app.id, delivery_id)


async def events(panel: Panel, app: App, limit: int) -> Sequence[WebhookEvent]:
    """Return an app's newest events, newest first."""
    async with panel.autocommit() as conn:
        return await webhooks.events(conn, app.id, limit)


async def event(panel: Panel, app: App, event_id: WebhookEventId) -> WebhookEvent:
    """Return an event of an app. Raises NotFound."""
    async with panel.autocommit() as conn:
        return await webhooks.event(conn, app.id, event_id)


async def deliver(panel: Panel, is_over: Callable[[], bool]) -> None:
    """Send the deliveries that are due, a few at a time, until there are no more or `is_over`.

    Of a webhook for which too many wait, the oldest fail unsent.
    """
    async with panel.autocommit() as conn:
        await webhooks.drop_oldest(conn, rules.MAX_WAITING, f"More than {rules.MAX_WAITING} deliveries waited for this webhook.")

    async def claim() -> Claimed | None:
        if is_over():
            return None
        async with panel.transaction() as conn:
            return await webhooks.claim(conn, LEASE_S)

    await drain(claim, partial(_send, panel), AT_ONCE)


async def sweep(panel: Panel) -> None:
    """Delete events and deliveries that were kept long enough."""
    async with panel.autocommit() as conn:
        await webhooks.sweep(conn, panel.clock.now() - rules.KEPT)


async def _send(panel: Panel, claimed: Claimed) -> None:
    sent, code, error = claimed.delivery, None, None
    try:
        code = await panel.receivers.post(_posting(panel, claimed, await _networks(panel)))
        error = None if code in OK else "It redirects, and redirects are not followed." if code in MOVED else f"It answered {code}."
    except (Denied, Unavailable) as failed:
        error = failed.message
    due_at = rules.next_attempt(sent.level, sent.attempts, sent.created_at, panel.clock.now()) if error else None
    status = DeliveryStatus.RETRYING if due_at else DeliveryStatus.FAILED if error else DeliveryStatus.SUCCEEDED
    async with panel.autocommit() as conn:
        await webhooks.finish(conn, sent, status, code=code, error=error, due_at=due_at)


def _posting(panel: Panel, claimed: Claimed, networks: tuple[Network, ...]) -> Posting:
    body = rules.body(claimed.event, claimed.delivery.id, claimed.delivery.webhook_id)
    headers = {
        "Content-Type": "application/json",
        "User-Agent": "SkyPanel-Webhooks",
        rules.SIGNATURE: rules.signature(panel.cipher.decrypt(claimed.secrets.secret), body),
    }
    if claimed.secrets.authorization:
        headers["Authorization"] = panel.cipher.decrypt(claimed.secrets.authorization)
    return Posting(claimed.delivery.url, headers, body, networks)


async def _columns(panel: Panel, values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the columns for the values of a webhook, as far as there are any."""
    columns: dict[str, Any] = {}
    if "url" in values:
        columns["url"] = rules.check_url(values["url"])
    if "include" in values:
        columns["include"] = list(rules.check_include(values["include"]))
    if "level" in values:
        columns["level"] = rules.check_level(values["level"])
    if values.get("secret"):
        columns["secret"] = panel.cipher.encrypt(rules.check_secret(values["secret"], "secret"))
    if values.get("authorization"):
        columns["authorization"] = panel.cipher.encrypt(rules.check_secret(values["authorization"], "authorization header"))
    if "url" in columns:
        await panel.receivers.check(columns["url"], await _networks(panel))
    return columns


async def _networks(panel: Panel) -> tuple[Network, ...]:
    async with panel.autocommit() as conn:
        return await receiver_networks(conn)
