"""Commands about the domains of an app."""

import asyncio

import click

from skypanel.cli import asking, session
from skypanel.cli.tables import show_table
from skypanel.domain.access import Action
from skypanel.domain.account import Account
from skypanel.domain.app import App
from skypanel.domain.domains import Domain, DomainState
from skypanel.domain.errors import Conflict
from skypanel.flow import apps as apps_flow
from skypanel.flow import domains as domains_flow
from skypanel.ports.panel import Panel

POLL_S = 2.0


@click.group()
def domains() -> None:
    """Lead domains of your own to an app: skypanel domains add hello www.example.com."""


@domains.command("list")
@click.argument("app")
def list_domains(app: str) -> None:
    """List an app's domains, and what is still to do for each."""

    async def act(panel: Panel, by: Account) -> None:
        found = await apps_flow.access(panel, by, app, Action.VIEW_APP)
        rows = [("DOMAIN", "STATE", "NOTE"), (panel.address.host(found.name), "active", "comes with the app")]
        own = await domains_flow.guides(panel, found, await domains_flow.listed(panel, found))
        show_table([*rows, *((each.shown, each.domain.state.value, each.domain.problem or "") for each in own)])

    session.run(act)


@domains.command()
@click.argument("app")
@click.argument("domain")
def add(app: str, domain: str) -> None:
    """Claim a domain for an app, and show the records to set in DNS."""

    async def act(panel: Panel, by: Account) -> None:
        found = await apps_flow.access(panel, by, app, Action.CONFIGURE_APP)
        await _show(panel, found, await domains_flow.add(panel, found, domain, by))

    session.run(act)


@domains.command()
@click.argument("app")
@click.argument("domain")
def check(app: str, domain: str) -> None:
    """Ask DNS now, and show what it says of a domain."""

    async def act(panel: Panel, by: Account) -> None:
        found = await apps_flow.access(panel, by, app, Action.CONFIGURE_APP)
        await _show(panel, found, await domains_flow.check(panel, found, await domains_flow.find(panel, found, domain), by))

    session.run(act)


@domains.command()
@click.argument("app")
@click.argument("domain")
def wait(app: str, domain: str) -> None:
    """Wait until a domain is proved and leads to the panel. Fails once its checks end."""

    async def act(panel: Panel, by: Account) -> None:
        found = await apps_flow.access(panel, by, app, Action.VIEW_APP)
        said = None
        while (now := await domains_flow.find(panel, found, domain)).state not in {DomainState.ACTIVE, DomainState.FAILED}:
            if now.problem and now.problem != said:
                said = now.problem
                click.echo(said)
            await asyncio.sleep(POLL_S)
        if now.state is DomainState.FAILED:
            raise Conflict(
                f"{now.name} was not proved within three days.", f"Set its records, then run `skypanel domains check {app} {now.name}`."
            )
        click.echo(f"{now.name} leads to {found.name}.")

    session.run(act)


@domains.command()
@click.argument("app")
@click.argument("domain")
@click.option("--confirm", metavar="DOMAIN", help="The domain again, to confirm that it no longer leads to the app.")
def remove(app: str, domain: str, confirm: str | None) -> None:
    """Remove a domain from an app."""
    asking.confirm(domain, confirm, f"{domain} no longer leads to {app}.")

    async def act(panel: Panel, by: Account) -> None:
        found = await apps_flow.access(panel, by, app, Action.CONFIGURE_APP)
        known = await domains_flow.find(panel, found, domain)
        await domains_flow.remove(panel, found, known, by)
        click.echo(f"{known.name} is removed from {found.name}.")

    session.run(act)


async def _show(panel: Panel, app: App, domain: Domain) -> None:
    (guide,) = await domains_flow.guides(panel, app, [domain])
    click.echo(f"{guide.shown} of {app.name} is {domain.state.value}. {domain.problem or ''}".rstrip())
    click.echo()
    show_table([("TYPE", "NAME", "VALUE", "NOW"), *((each.kind, each.name, each.value, each.state.value) for each in guide.records)])


COMMANDS = (domains,)
