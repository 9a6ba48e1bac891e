"""Commands about the usage and the wallets of organizations."""

import shlex

import click

from skypanel.cli import session
from skypanel.cli.tables import show_table, time
from skypanel.domain.account import Account
from skypanel.domain.billing import HOURLY_DECIMALS, EntryKind, WalletEntry, month_of, read_amount, read_month
from skypanel.domain.period import Period
from skypanel.flow import billing as billing_flow
from skypanel.flow import organizations as organizations_flow
from skypanel.flow import usage as usage_flow
from skypanel.flow import wallet as wallet_flow
from skypanel.flow.billing import Money
from skypanel.ports.panel import Panel


@click.group()
def wallet() -> None:
    """See and fill the wallets that organizations pay from."""


@wallet.command("show")
@click.argument("organization")
@click.option("-n", "lines", default=20, show_default=True, type=click.IntRange(1, 1000), help="How many entries to show.")
def show_wallet(organization: str, lines: int) -> None:
    """Show what an organization has left, and the newest lines of its wallet."""

    async def act(panel: Panel, by: Account) -> None:
        shown = await wallet_flow.show(panel, await organizations_flow.find(panel, by, organization), lines)
        money = await billing_flow.formatter(panel)
        click.echo(f"{shown.organization.name} has {money(shown.balance)}{'' if shown.is_charged else ', and is not charged'}.")
        if shown.organization.unpaid:
            click.echo("Its apps are stopped until its balance is above 0.")
        if shown.organization.held:
            click.echo(f"An administrator suspended its apps. To resume them: skypanel orgs resume {shlex.quote(shown.organization.name)}")
        show_table([("AT", "AMOUNT", "LEFT", "FOR"), *(_row(entry, money) for entry in shown.entries)])

    session.run(act)


@wallet.command("credit", context_settings={"ignore_unknown_options": True})
@click.argument("organization")
@click.argument("amount")
@click.option("--note", default="", help="What for.")
def credit_wallet(organization: str, amount: str, note: str) -> None:
    """Put money into an organization's wallet, or take it out by a negative amount; apps that stopped run again."""
    wanted = read_amount(amount)

    async def act(panel: Panel, by: Account) -> None:
        found = await organizations_flow.find(panel, by, organization)
        left = await wallet_flow.credit(panel, found, wanted, note, by)
        click.echo(f"{found.name} has {(await billing_flow.formatter(panel))(left)}.")

    session.run(act)


@wallet.command("bill")
@click.argument("organization")
@click.argument("state", type=click.Choice(["on", "off"]))
def bill_wallet(organization: str, state: str) -> None:
    """Have an organization pay for its apps, or not."""

    async def act(panel: Panel, by: Account) -> None:
        found = await organizations_flow.find(panel, by, organization)
        await wallet_flow.set_billed(panel, found, by, billed=state == "on")
        click.echo(f"{found.name} {'is' if state == 'on' else 'is not'} charged for its apps.")
        if state == "on" and not (await wallet_flow.show(panel, found, 1)).is_charged:
            click.echo("Nobody is charged until billing is on: skypanel settings set billing=true")

    session.run(act)


@click.command()
@click.argument("organization")
@click.option("--month", help="The month, such as 2026-11; by default the current one.")
def usage(organization: str, month: str | None) -> None:
    """Show what each app of an organization used in a month, by UTC, and what that costs."""
    chosen = Period(*read_month(month)) if month else None

    async def act(panel: Panel, by: Account) -> None:
        found = await organizations_flow.find(panel, by, organization)
        report = await usage_flow.report(panel, found, chosen or Period(*month_of(panel.clock.now())))
        money = await billing_flow.formatter(panel)
        rows = [(app.app_name, f"{app.dyno_hours}", money(app.cost)) for app in report.used.apps]
        show_table([("APP", "DYNO HOURS", "COST"), *rows, ("in all", f"{report.used.dyno_hours}", money(report.used.cost))])

    session.run(act)


def _row(entry: WalletEntry, money: Money) -> tuple[str, ...]:
    return time(entry.at), money(entry.amount, decimals=HOURLY_DECIMALS), money(entry.balance, decimals=HOURLY_DECIMALS), _reason(entry)


def _reason(entry: WalletEntry) -> str:
    """Return the reason for a wallet's entry, in words."""
    if entry.kind is EntryKind.CHARGE and entry.hour is not None:
        return f"the hour from {time(entry.hour)}"
    if entry.kind is EntryKind.OPENING:
        return "the starting credit"
    return f"{entry.note or 'a credit'}, by {entry.email}"


COMMANDS = (wallet, usage)
