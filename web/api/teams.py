"""Organizations, which Heroku calls teams: list, create and delete them, their members and their apps."""

from msgspec import UNSET

from skypanel.domain.access import Action, Member, Role
from skypanel.domain.account import Organization
from skypanel.domain.app import App
from skypanel.domain.deletion import read_on_delete
from skypanel.domain.errors import Invalid, NotFound
from skypanel.domain.names import printable
from skypanel.flow import apps as apps_flow
from skypanel.flow import deletion as deletion_flow
from skypanel.flow import organizations as organizations_flow
from skypanel.flow import transfer as transfer_flow
from web.api import apps, people
from web.api.apps import NewApp
from web.api.bodies import Body, Maybe, Text
from web.api.calls import Call, Reply
from web.api.ranges import Page, paginate
from web.api.resources import people as resources


class NewTeam(Body):
    """A new organization."""

    name: Text


class TeamChange(Body):
    """The new name of an organization."""

    name: Maybe[Text] = UNSET


class NewTeamApp(NewApp):
    """An app that is to be in an organization."""

    team: Maybe[Text] = UNSET
    personal: bool = False


class TeamAppChange(Body):
    """The new owner of an app."""

    owner: Maybe[Text] = UNSET
    locked: bool = False


class Deletion(Body):
    """What to do with the apps of a deleted organization."""

    apps: Maybe[Text] = UNSET
    to: Maybe[Text] = UNSET
    confirm: Text = ""


class MemberChange(Body):
    """A member of an organization and the role."""

    email: Text
    role: Text
    federated: bool = False


async def index(call: Call) -> Page:
    """List the caller's organizations, with the caller's role in each."""
    mine = await organizations_flow.mine(call.panel, call.account)
    return paginate([resources.team(each, role) for each, role in mine], call.range, "name")


async def create(call: Call, body: NewTeam) -> Reply:
    """Create an organization. The caller becomes its owner."""
    made = await organizations_flow.create(call.panel, call.account, body.name)
    return Reply(resources.team(made, Role.OWNER), 201)


async def show(call: Call) -> Reply:
    """Show an organization."""
    return Reply(await _shown(call, await call.organization()))


async def change(call: Call, body: TeamChange) -> Reply:
    """Rename an organization."""
    organization = await call.organization()
    if body.name is not UNSET:
        organization = await organizations_flow.rename(call.panel, organization, body.name, call.account)
    return Reply(await _shown(call, organization))


async def delete(call: Call, body: Deletion) -> Reply:
    """Delete an organization and return its last state. If it has apps, the body says whether to destroy or reassign them."""
    found = await deletion_flow.find(call.panel, call.account, call.params["team"])
    to = await deletion_flow.find_recipient(call.panel, call.account, body.to) if body.to is not UNSET else None
    on_delete = read_on_delete(body.apps) if body.apps is not UNSET else None
    was = await _shown(call, found)
    await deletion_flow.delete(call.panel, found, call.account, on_delete, to=to, confirm=body.confirm)
    return Reply(was)


async def none(call: Call) -> Page:
    """Return an empty list: organizations have none of these."""
    await call.organization()
    return Page([])


async def members(call: Call) -> Page:
    """List the members of an organization."""
    organization = await call.organization()
    return paginate([resources.member(each) for each in await organizations_flow.members(call.panel, organization)], call.range, "email")


async def put_member(call: Call, body: MemberChange) -> Reply:
    """Add a member, or change a member's role."""
    organization, email = await call.organization(), body.email
    if any(each.account.email == email.lower() for each in await organizations_flow.members(call.panel, organization)):
        return await change_member(call, body)
    invitation = await organizations_flow.add_member(call.panel, organization, email, people.role(body.role), call.account)
    shown = await _found(call, organization, invitation.account.email)
    return Reply(resources.member(shown), 201, people.invited(call, invitation))


async def change_member(call: Call, body: MemberChange) -> Reply:
    """Change a member's role."""
    organization, email = await call.organization(), body.email
    await organizations_flow.change_role(call.panel, organization, email, people.role(body.role), call.account)
    return Reply(resources.member(await _found(call, organization, email)))


async def remove_member(call: Call) -> Reply:
    """Remove a member. Everybody may remove themselves."""
    organization = await call.organization(Action.VIEW_MEMBERS)
    found = await _found(call, organization, call.params["member"])
    await organizations_flow.remove_member(call.panel, organization, found.account.email, call.account)
    return Reply(resources.member(found))


async def apps_of(call: Call) -> Page:
    """List the apps of an organization."""
    return await apps.page(call, (await call.organization()).id)


async def app(call: Call) -> Reply:
    """Show an app, as GET /apps/{app} does."""
    return Reply(await apps.shown(call, await call.app()))


async def change_app(call: Call, body: TeamAppChange) -> Reply:
    """Transfer an app to another organization of which the caller is an admin. Apps cannot be locked; trying it returns a warning."""
    found = await call.app()
    if body.locked:
        call.warn(f"{found.name} cannot be locked: only roles and collaborators decide who has access.")
    if body.owner is UNSET:
        return Reply(await apps.shown(call, found))
    return await _transfer(call, found, body.owner)


async def _transfer(call: Call, found: App, owner: str) -> Reply:
    if "@" in owner:
        raise Invalid(f"{printable(owner)} is not an organization.", "To offer an app to a person, use POST /account/app-transfers.")
    to = await organizations_flow.access(call.panel, call.account, owner, Action.TRANSFER_APP)
    return Reply(await apps.shown(call, await transfer_flow.transfer(call.panel, found, to, call.account)))


async def create_app(call: Call, body: NewTeamApp) -> Reply:
    """Create an app in an organization."""
    if body.team is UNSET:
        return await apps.create(call, body)
    apps.check_place(call, body)
    organization = await organizations_flow.access(call.panel, call.account, body.team, Action.CREATE_APP)
    made = await apps_flow.create(call.panel, call.account, body.name or apps.new_name(), organization_id=organization.id)
    return Reply(await apps.shown(call, made), 201)


async def _shown(call: Call, organization: Organization) -> resources.Team:
    return resources.team(organization, await organizations_flow.role(call.panel, organization, call.account))


async def _found(call: Call, organization: Organization, name: str) -> Member:
    for each in await organizations_flow.members(call.panel, organization):
        if name.lower() in {each.account.email, str(each.account.id)}:
            return each
    raise NotFound(f"{printable(name)} is not a member of {organization.name}.", "Run `heroku members` to list them.")
