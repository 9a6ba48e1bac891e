"""Commands about the webhooks of an app."""

import sys
from uuid import UUID

import click

from skypanel.cli import session
from skypanel.cli.tables import show_table, time
from skypanel.domain.access import Action
from skypanel.domain.account import Account
from skypanel.domain.errors import NotFound
from skypanel.domain.ids import WebhookId, as_id
from skypanel.domain.names import printable
from skypanel.domain.webhook import Delivery, Entity, WebhookLevel
from skypanel.flow import apps as apps_flow
from skypanel.flow import webhooks as webhooks_flow
from skypanel.ports.panel import Panel


@click.group()
def webhooks() -> None:
    """Send what happens to an app to a URL."""


@webhooks.command("list")
@click.argument("app")
def list_webhooks(app: str) -> None:
    """List an app's webhooks."""

    async def act(panel: Panel, by: Account) -> None:
        found = await webhooks_flow.of(panel, await apps_flow.access(panel, by, app, Action.CONFIGURE_APP))
        show_table([("ID", "URL", "EVENTS", "LEVEL"), *((str(each.id), each.url, ",".join(each.include), each.level) for each in found)])

    session.run(act)


@webhooks.command("add")
@click.argument("app")
@click.argument("url")
@click.option("--include", "-i", default=",".join(Entity), show_default=True, metavar="EVENTS", help="Which events, separated by commas.")
@click.option("--level", "-l", default=WebhookLevel.SYNC.value, show_default=True, help="notify sends once, sync until it succeeds.")
@click.option("--secret", "has_secret", is_flag=True, help="Read the secret that signs requests from standard input.")
def add_webhook(app: str, url: str, include: str, level: str, *, has_secret: bool) -> None:
    """Add a webhook, and print the secret that signs its requests."""
    secret = sys.stdin.read().strip() if has_secret else ""

    async def act(panel: Panel, by: Account) -> None:
        found = await apps_flow.access(panel, by, app, Action.CONFIGURE_APP)
        values = {"url": url, "include": [part.strip() for part in include.split(",")], "level": level, "secret": secret}
        made, shown = await webhooks_flow.add(panel, found, by, values)
        click.echo(f"Added {made.id}. Its secret is shown only here:", err=True)
        click.echo(shown)

    session.run(act)


@webhooks.command("remove")
@click.argument("app")
@click.argument("webhook")
def remove_webhook(app: str, webhook: str) -> None:
    """Remove a webhook by its id."""

    async def act(panel: Panel, by: Account) -> None:
        found = await apps_flow.access(panel, by, app, Action.CONFIGURE_APP)
        removed = await webhooks_flow.remove(panel, found, by, WebhookId(_id(webhook)))
        click.echo(f"The webhook to {removed.host} is removed.")

    session.run(act)


@webhooks.command("deliveries")
@click.argument("app")
@click.option("--number", "-n", default=20, show_default=True, help="How many deliveries to show.")
def list_deliveries(app: str, number: int) -> None:
    """List what was sent to an app's webhooks, newest first."""

    async def act(panel: Panel, by: Account) -> None:
        found = await apps_flow.access(panel, by, app, Action.CONFIGURE_APP)
        sent = await webhooks_flow.deliveries(panel, found, number)
        show_table([("CREATED", "EVENT", "STATUS", "ATTEMPTS", "CODE", "ERROR"), *map(_row, sent)])

    session.run(act)


def _row(of: Delivery) -> tuple[str, ...]:
    return time(of.created_at), of.include, of.status, str(of.attempts), str(of.code or ""), of.error or ""


def _id(text: str) -> UUID:
    found = as_id(text)
    if found is None:
        raise NotFound(f"There is no webhook {printable(text)}.", "List the ids: skypanel webhooks list APP")
    return found


COMMANDS = (webhooks,)
