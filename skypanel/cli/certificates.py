"""Commands about the certificates of an app."""

from typing import TextIO

import click

from skypanel.cli import asking, session
from skypanel.cli.tables import show_table
from skypanel.domain.access import Action
from skypanel.domain.account import Account
from skypanel.domain.certificate import Certificate
from skypanel.flow import apps as apps_flow
from skypanel.flow import uploaded_certificates
from skypanel.ports.panel import Panel

_AUTOMATIC = {"on": "The panel orders certificates for the domains of", "off": "The panel orders no certificates for the domains of"}


@click.group()
def certs() -> None:
    """Upload certificates of your own for an app's domains."""


@certs.command("list")
@click.argument("app")
def list_certificates(app: str) -> None:
    """List an app's certificates, and whether the panel orders those of its domains."""

    async def act(panel: Panel, by: Account) -> None:
        found = await apps_flow.access(panel, by, app, Action.VIEW_APP)
        known = await uploaded_certificates.listed(panel, found)
        rows = ((each.name, ", ".join(each.facts.names), each.source.value, f"{each.facts.not_after:%Y-%m-%d}") for each in known)
        show_table([("NAME", "DOMAINS", "SOURCE", "UNTIL"), *rows])
        click.echo()
        click.echo(f"{_AUTOMATIC['on' if found.automatic_certificates else 'off']} {found.name}.")

    session.run(act)


@certs.command()
@click.argument("app")
@click.argument("chain", type=click.File())
@click.argument("key", type=click.File())
def add(app: str, chain: TextIO, key: TextIO) -> None:
    """Upload a certificate from files in PEM: the certificate with its chain, and its key."""
    given = {"chain": chain.read(), "key": key.read()}

    async def act(panel: Panel, by: Account) -> None:
        found = await apps_flow.access(panel, by, app, Action.CONFIGURE_APP)
        _show("Uploaded", await uploaded_certificates.add(panel, found, by, **given))

    session.run(act)


@certs.command()
@click.argument("app")
@click.argument("certificate")
@click.argument("chain", type=click.File())
@click.argument("key", type=click.File())
def update(app: str, certificate: str, chain: TextIO, key: TextIO) -> None:
    """Replace an uploaded certificate."""
    given = {"chain": chain.read(), "key": key.read()}

    async def act(panel: Panel, by: Account) -> None:
        found = await apps_flow.access(panel, by, app, Action.CONFIGURE_APP)
        known = await uploaded_certificates.find(panel, found, certificate)
        _show("Replaced", await uploaded_certificates.change(panel, found, known, by, **given))

    session.run(act)


@certs.command()
@click.argument("app")
@click.argument("certificate")
@click.option("--confirm", metavar="CERTIFICATE", help="Its name again, to confirm that it is not shown any more.")
def remove(app: str, certificate: str, confirm: str | None) -> None:
    """Remove an uploaded certificate."""
    asking.confirm(certificate, confirm, f"Visitors of {app} no longer see {certificate}.")

    async def act(panel: Panel, by: Account) -> None:
        found = await apps_flow.access(panel, by, app, Action.CONFIGURE_APP)
        known = await uploaded_certificates.find(panel, found, certificate)
        await uploaded_certificates.remove(panel, found, known, by)
        click.echo(f"Removed {known.name} from {found.name}.")

    session.run(act)


@certs.command()
@click.argument("app")
@click.argument("switch", type=click.Choice(["on", "off", "again"]))
def auto(app: str, switch: str) -> None:
    """Turn certificates that the panel orders on or off for an app's domains; `again` tries failed orders now."""

    async def act(panel: Panel, by: Account) -> None:
        found = await apps_flow.access(panel, by, app, Action.CONFIGURE_APP)
        if switch == "again":
            await uploaded_certificates.order_again(panel, found, by)
            click.echo(f"The panel tries the failed orders of {found.name} again.")
            return
        await uploaded_certificates.automate(panel, found, by, on=switch == "on")
        click.echo(f"{_AUTOMATIC[switch]} {found.name}.")

    session.run(act)


def _show(done: str, certificate: Certificate) -> None:
    click.echo(f"{done} {certificate.name} for {', '.join(certificate.facts.names)}, until {certificate.facts.not_after:%Y-%m-%d}.")


COMMANDS = (certs,)
