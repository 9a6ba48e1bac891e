"""Commands about organizations and who may act for them."""

from collections.abc import Sequence

import click

from skypanel.cli import session
from skypanel.domain.access import HIGHEST_COLLABORATOR, Action, Member, read_role
from skypanel.domain.account import Account
from skypanel.flow import apps as apps_flow
from skypanel.flow import collaborators as collaborators_flow
from skypanel.flow import organizations as organizations_flow
from skypanel.flow.invitation import Invitation
from skypanel.ports import Panel


@click.group()
def orgs() -> None:
    """List and make organizations, which own apps."""


@orgs.command("list")
def list_organizations() -> None:
    """List the organizations of the admin, with its role in each."""

    async def act(panel: Panel, by: Account) -> None:
        for organization, role in await organizations_flow.mine(panel, by):
            click.echo(f"{organization.name}  {role.word}")

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
    """Make somebody a member; who is new here gets an account, and a link to sign in by is printed."""
    wanted = read_role(role)

    async def act(panel: Panel, by: Account) -> None:
        found = await organizations_flow.access(panel, by, organization, Action.MANAGE_MEMBERS)
        _tell(panel, await organizations_flow.add_member(panel, found, email, wanted, by))

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
        click.echo(f"{email} is no member of {found.name} any more.")

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
    """Let somebody act for an app; who is new here gets an account, and a link to sign in by is printed."""
    wanted = read_role(role, HIGHEST_COLLABORATOR)

    async def act(panel: Panel, by: Account) -> None:
        found = await apps_flow.access(panel, by, app, Action.SHARE_APP)
        _tell(panel, await collaborators_flow.add(panel, found, email, wanted, by))

    session.run(act)


@access.command("remove")
@click.argument("app")
@click.argument("email")
def remove_collaborator(app: str, email: str) -> None:
    """Take a collaborator's access to an app away."""

    async def act(panel: Panel, by: Account) -> None:
        found = await apps_flow.access(panel, by, app, Action.SHARE_APP)
        await collaborators_flow.remove(panel, found, email, by)
        click.echo(f"{email} has no access to {found.name} any more.")

    session.run(act)


def _print(people: Sequence[Member]) -> None:
    for person in people:
        click.echo(f"{person.account.email}  {person.role.word}")


def _tell(panel: Panel, invitation: Invitation) -> None:
    click.echo(f"{invitation.account.email} has access.")
    if invitation.link is not None:
        click.echo("Send this link, which signs in once and within a day; then a password can be set under Account:")
        click.echo(panel.address.dashboard_url() + invitation.link.removeprefix("/"))


COMMANDS = (orgs, members, access)
