"""Commands about organizations, their members, and collaborators of apps."""

import shlex
from collections.abc import Sequence

import click

from skypanel.cli import asking, session
from skypanel.cli.tables import NOTES, show_table
from skypanel.domain.access import HIGHEST_COLLABORATOR, Action, Member, read_role
from skypanel.domain.account import Account
from skypanel.domain.deletion import OnDelete, read_on_delete
from skypanel.domain.figures import Granted, OrganizationFigures
from skypanel.domain.transcript import size
from skypanel.flow import apps as apps_flow
from skypanel.flow import billing as billing_flow
from skypanel.flow import collaborators as collaborators_flow
from skypanel.flow import deletion as deletion_flow
from skypanel.flow import figures as figures_flow
from skypanel.flow import organizations as organizations_flow
from skypanel.flow import suspension as suspension_flow
from skypanel.flow.billing import Money
from skypanel.flow.invitation import Invitation
from skypanel.ports.panel import Panel


@click.group()
def orgs() -> None:
    """List, make, suspend and delete organizations, which own apps."""


@orgs.command("list")
def list_organizations() -> None:
    """List all organizations: how many people and apps each has, what its apps cost in all, and what its wallet has left."""

    async def act(panel: Panel, by: Account) -> None:
        found = await figures_flow.overview(panel, by)
        money = await billing_flow.formatter(panel)
        show_table([("NAME", "MEMBERS", "APPS", "COST", "BALANCE", "NOTE"), *(_row(each, money) for each in found.organizations)])

    session.run(act)


def _row(of: OrganizationFigures, money: Money) -> tuple[str, ...]:
    balance = "-" if of.balance is None else money(of.balance)
    stopped = of.organization.suspension
    return of.organization.name, str(of.members), str(of.apps), money(of.charged), balance, NOTES[stopped] if stopped else ""


@orgs.command("usage")
@click.argument("organization")
def show_usage(organization: str) -> None:
    """Show what each app of an organization is granted by its plan now, and its hours and cost in this month, by UTC."""

    async def act(panel: Panel, by: Account) -> None:
        used = await figures_flow.resource_usage(panel, await organizations_flow.find(panel, by, organization))
        money = await billing_flow.formatter(panel)
        rows = [(app.name, *_granted(app.granted), f"{app.dyno_hours}", money(app.cost)) for app in used.apps]
        total = ("in all", *_granted(used.granted), f"{used.dyno_hours}", money(used.cost))
        show_table([("APP", "DYNOS", "CPU CORES", "RAM", "DYNO HOURS", "COST"), *rows, total])

    session.run(act)


def _granted(granted: Granted) -> tuple[str, ...]:
    return str(granted.dynos), f"{granted.cpu_cores:g}", size(granted.memory_bytes)


@orgs.command("suspend")
@click.argument("organization")
@click.option("--confirm", metavar="NAME", help="The organization's name again, to confirm.")
def suspend_organization(organization: str, confirm: str | None) -> None:
    """Stop all apps of an organization, until it is resumed."""

    async def act(panel: Panel, by: Account) -> None:
        found = await organizations_flow.find(panel, by, organization)
        asking.confirm(found.name, confirm, f"All apps of {found.name} stop, until it is resumed.")
        found = await suspension_flow.hold(panel, found, by)
        click.echo(f"{found.name} is suspended: its apps stop, until `skypanel orgs resume {shlex.quote(found.name)}`.")

    session.run(act)


@orgs.command("resume")
@click.argument("organization")
def resume_organization(organization: str) -> None:
    """Have the apps of a suspended organization run again."""

    async def act(panel: Panel, by: Account) -> None:
        found = await suspension_flow.resume(panel, await organizations_flow.find(panel, by, organization), by)
        if found.unpaid:
            click.echo(f"{found.name} is resumed, but its wallet is empty: `skypanel wallet credit {shlex.quote(found.name)} AMOUNT`.")
        else:
            click.echo(f"{found.name} is resumed: its apps run again.")

    session.run(act)


@orgs.command("delete")
@click.argument("organization")
@click.option("--apps", "on_delete", type=click.Choice([on_delete.value for on_delete in OnDelete]), help="What happens to its apps.")
@click.option("--to", "heir", metavar="ORGANIZATION", help="The organization that gets the apps, with --apps reassign.")
@click.option("--confirm", metavar="NAME", help="The organization's name again, to confirm.")
def delete_organization(organization: str, on_delete: str | None, heir: str | None, confirm: str | None) -> None:
    """Delete an organization, once its apps are destroyed or another organization's."""
    chosen = read_on_delete(on_delete) if on_delete else None

    async def act(panel: Panel, by: Account) -> None:
        found = await deletion_flow.find(panel, by, organization)
        to = await deletion_flow.find_recipient(panel, by, heir) if heir else None
        asking.confirm(found.name, confirm, f"{found.name} is deleted for good, and its remaining balance is lost.")
        left = await deletion_flow.delete(panel, found, by, chosen, to=to, confirm=found.name)
        click.echo(f"{found.name} is deleted. Its wallet had {(await billing_flow.formatter(panel))(left)} left.")

    session.run(act)


@orgs.command("add")
@click.argument("name")
def add_organization(name: str) -> None:
    """Make an organization, which the admin owns."""

    async def act(panel: Panel, by: Account) -> None:
        click.echo(f"Made {(await organizations_flow.create(panel, by, name)).name}")

    session.run(act)


@click.group()
def members() -> None:
    """List and change who may act for an organization."""


@members.command("list")
@click.argument("organization")
def list_members(organization: str) -> None:
    """List the members of an organization, with their roles."""

    async def act(panel: Panel, by: Account) -> None:
        found = await organizations_flow.access(panel, by, organization, Action.VIEW_MEMBERS)
        _print(await organizations_flow.members(panel, found))

    session.run(act)


@members.command("add")
@click.argument("organization")
@click.argument("email")
@click.option("--role", default="developer", show_default=True, help="owner, admin, developer or viewer.")
def add_member(organization: str, email: str, role: str) -> None:
    """Add a member. Somebody new gets an account, and a sign-in link is printed."""
    wanted = read_role(role)

    async def act(panel: Panel, by: Account) -> None:
        found = await organizations_flow.access(panel, by, organization, Action.MANAGE_MEMBERS)
        _report(panel, await organizations_flow.add_member(panel, found, email, wanted, by))

    session.run(act)


@members.command("role")
@click.argument("organization")
@click.argument("email")
@click.argument("role")
def change_role(organization: str, email: str, role: str) -> None:
    """Give a member another role."""
    wanted = read_role(role)

    async def act(panel: Panel, by: Account) -> None:
        found = await organizations_flow.access(panel, by, organization, Action.MANAGE_MEMBERS)
        await organizations_flow.change_role(panel, found, email, wanted, by)
        click.echo(f"{email} is {wanted.word} of {found.name} now.")

    session.run(act)


@members.command("remove")
@click.argument("organization")
@click.argument("email")
def remove_member(organization: str, email: str) -> None:
    """Take a member out of an organization."""

    async def act(panel: Panel, by: Account) -> None:
        found = await organizations_flow.access(panel, by, organization, Action.VIEW_MEMBERS)
        await organizations_flow.remove_member(panel, found, email, by)
        click.echo(f"{email} is no longer a member of {found.name}.")

    session.run(act)


@click.group()
def access() -> None:
    """List and change who may act for one app without being a member of its organization."""


@access.command("list")
@click.argument("app")
def list_collaborators(app: str) -> None:
    """List the collaborators of an app, with their roles."""

    async def act(panel: Panel, by: Account) -> None:
        _print(await collaborators_flow.of(panel, await apps_flow.access(panel, by, app, Action.VIEW_APP)))

    session.run(act)


@access.command("add")
@click.argument("app")
@click.argument("email")
@click.option("--role", default="developer", show_default=True, help="developer or viewer.")
def add_collaborator(app: str, email: str, role: str) -> None:
    """Give somebody access to an app. Somebody new gets an account, and a sign-in link is printed."""
    wanted = read_role(role, HIGHEST_COLLABORATOR)

    async def act(panel: Panel, by: Account) -> None:
        found = await apps_flow.access(panel, by, app, Action.SHARE_APP)
        _report(panel, await collaborators_flow.add(panel, found, email, wanted, by))

    session.run(act)


@access.command("remove")
@click.argument("app")
@click.argument("email")
def remove_collaborator(app: str, email: str) -> None:
    """Take a collaborator's access to an app away."""

    async def act(panel: Panel, by: Account) -> None:
        found = await apps_flow.access(panel, by, app, Action.SHARE_APP)
        await collaborators_flow.remove(panel, found, email, by)
        click.echo(f"{email} no longer has access to {found.name}.")

    session.run(act)


def _print(people: Sequence[Member]) -> None:
    for person in people:
        click.echo(f"{person.account.email}  {person.role.word}")


def _report(panel: Panel, invitation: Invitation) -> None:
    click.echo(f"{invitation.account.email} has access.")
    if invitation.link is None:
        click.echo(f"They already had an account. If their link or password is lost: skypanel accounts reset {invitation.account.email}")
        return
    click.echo("Send them this sign-in link. It works once, within a day. They can then set a password under Account:")
    click.echo(invitation.url(panel.address))
    if invitation.mail_note:
        click.echo(invitation.mail_note)


COMMANDS = (orgs, members, access)
